import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

const JEST = path.join(__dirname, 'jest');
/** Milliseconds a file may take here, and after which something counts as never. */
const LIMIT = 2000;
const NEVER = 50_000;

describe('a spec file that never ends', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'limit-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  const run = async (spec: string) => {
    await writeFile(path.join(directory, 'package.json'), '{}');
    await writeFile(path.join(directory, 'x.spec.js'), spec);
    const reporters = [
      [path.join(JEST, 'reporter.cjs'), { project: 'x', live: false }],
      [path.join(JEST, 'limit.cjs'), { limit: LIMIT, project: 'x', kind: 'test' }],
    ];
    await writeFile(
      path.join(directory, 'jest.config.json'),
      JSON.stringify({ rootDir: directory, transform: {}, reporters, testTimeout: 500 }),
    );
    const child = spawn(process.execPath, [require.resolve('jest/bin/jest'), '-c', 'jest.config.json', '--runInBand'], {
      cwd: directory,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    const late = setTimeout(() => child.kill('SIGKILL'), NEVER);
    const ended = await new Promise<number | string | null>((resolve) =>
      child.once('close', (status, signal) => resolve(signal ?? status)),
    );
    clearTimeout(late);
    const { tests } = JSON.parse(await readFile(path.join(directory, '.results', 'test.json'), 'utf8')) as { tests: object[] };
    return { ended, said, tests };
  };

  it('is named and ended though it gives its turn to nobody', async () => {
    const { ended, said, tests } = await run("it('spins', async () => { for (;;) await undefined; });");
    expect(ended).toBe('SIGKILL');
    expect(said).toContain('x.spec.js: it was still running');
    expect(tests).toEqual([{ status: 'failed', name: 'its end', file: 'x.spec.js', why: expect.stringContaining('ended by force') }]);
  });

  it('is no concern of one that ends', async () => {
    const { ended, said, tests } = await run("it('ends', async () => undefined);");
    expect(ended).toBe(0);
    expect(said).not.toContain('still running');
    expect(tests).toMatchObject([{ status: 'passed', file: 'x.spec.js' }]);
  });
});
