import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

const JEST = path.join(__dirname, 'jest');
/** Milliseconds a file may take here, and after which something counts as never. */
const LIMIT = 2000;
const NEVER = 100_000;

interface End {
  readonly ended: number | string | null;
  readonly said: string;
  readonly tests: readonly object[];
}

// Every run is a jest of its own.
jest.setTimeout(2 * NEVER);

describe('a jest that is supervised', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'supervise-'));
    await writeFile(path.join(directory, 'package.json'), '{}');
  });
  afterEach(() => rm(directory, { recursive: true }));

  const results = () => path.join(directory, '.results', 'test.json');
  const project = () => path.basename(directory);

  interface Options {
    readonly limit?: number;
    /** More reporters. */
    readonly others?: readonly string[];
    /** Is called when jest has said `ready`. */
    readonly during?: (pid: number) => void;
  }

  /** Runs spec files, in the order of their names. */
  const run = async (specs: Record<string, string>, { limit = NEVER, others = [], during }: Options = {}): Promise<End> => {
    for (const [name, source] of Object.entries(specs)) await writeFile(path.join(directory, name), source);
    await writeFile(
      path.join(directory, 'sequence.cjs'),
      'module.exports = class { sort(tests) { return tests.sort((a, b) => a.path.localeCompare(b.path)); } shard(tests) { return tests; } cacheResults() {} allFailedTests() {} };',
    );
    const reporters = ['default', [path.join(JEST, 'reporter.cjs'), { live: false }], path.join(JEST, 'tell.cjs'), ...others];
    const config = { rootDir: directory, transform: {}, reporters, testTimeout: NEVER, testSequencer: './sequence.cjs' };
    await writeFile(path.join(directory, 'jest.config.json'), JSON.stringify(config));
    const program = `require(${JSON.stringify(path.join(JEST, 'supervise.cjs'))})(['-c', 'jest.config.json', '--runInBand'], { limit: ${limit}, silence: ${NEVER} })
      .then((end) => { if (typeof end === 'string') process.kill(process.pid, end); else process.exitCode = end; });`;
    const child = spawn(process.execPath, ['-e', program], {
      cwd: directory,
      env: { ...process.env, HOLDFAST_TESTS: '', JEST_WORKER_ID: undefined },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    let asked = during;
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (!/^ready/m.test(said)) return;
      asked?.(child.pid!);
      asked = undefined;
    });
    const late = setTimeout(() => child.kill('SIGKILL'), NEVER);
    const ended = await new Promise<number | string | null>((resolve) =>
      child.once('close', (status, signal) => resolve(signal ?? status)),
    );
    clearTimeout(late);
    const { tests } = JSON.parse(await readFile(results(), 'utf8')) as { tests: object[] };
    return { ended, said, tests };
  };

  const GOOD = "it('ends', async () => undefined);";

  it('is no concern of one that ends', async () => {
    const { ended, said, tests } = await run({ 'a.spec.js': GOOD });
    expect(ended).toBe(0);
    expect(said).toContain('PASS');
    expect(said).not.toContain('its end');
    expect(tests).toEqual([{ status: 'passed', name: 'ends', file: 'a.spec.js' }]);
  });

  it('is the failed test that it tells, and nothing more', async () => {
    const { ended, tests } = await run({ 'a.spec.js': "it('fails', () => { throw new Error('no'); });" });
    expect(ended).toBe(1);
    expect(tests).toEqual([{ status: 'failed', name: 'fails', file: 'a.spec.js', why: expect.stringContaining('no') }]);
  });

  it('is named with the file and the time, when that gives its turn to nobody', async () => {
    const { ended, said, tests } = await run({ 'x.spec.js': "it('spins', async () => { for (;;) await undefined; });" }, { limit: LIMIT });
    expect(ended).toBe(1);
    expect(said).toContain(`${project()}: x.spec.js: it was still running`);
    expect(tests).toEqual([{ status: 'failed', name: 'its end', file: 'x.spec.js', why: expect.stringContaining('ended by force') }]);
  });

  it('is named with the signal, the file and its last words, when it crashes', async () => {
    const crash =
      "it('crashes', () => { require('node:fs').writeSync(2, 'my last words\\n'); process.kill(process.pid, 'SIGSEGV'); for (;;); });";
    const { ended, said, tests } = await run({ 'a.spec.js': GOOD, 'b.spec.js': crash });
    expect(ended).toBe(1);
    expect(said).toMatch(
      /: b\.spec\.js: jest was ended by SIGSEGV after \d+ s, while it ran b\.spec\.js \(for \d+ s\); 1 files had ended before, the last a\.spec\.js\n$/,
    );
    expect(tests).toEqual([{ status: 'failed', name: 'its end', file: 'b.spec.js', why: expect.stringContaining('my last words') }]);
  });

  it('is named when it exits in the middle of a test as if all were well', async () => {
    const { ended, tests } = await run({ 'a.spec.js': "it('exits', () => { process.exit(0); });", 'b.spec.js': GOOD });
    expect(ended).toBe(1);
    expect(tests).toEqual([
      {
        status: 'failed',
        name: 'its end',
        file: 'a.spec.js',
        why: expect.stringContaining('jest ended with status 0 and without results'),
      },
    ]);
  });

  it('is named when it dies although all tests had passed, beside them', async () => {
    await writeFile(
      path.join(directory, 'die.cjs'),
      "module.exports = class { onRunComplete() { process.kill(process.pid, 'SIGABRT'); } };",
    );
    const { ended, tests } = await run({ 'a.spec.js': GOOD }, { others: ['./die.cjs'] });
    expect(ended).toBe(1);
    expect(tests).toEqual([
      { status: 'passed', name: 'ends', file: 'a.spec.js' },
      { status: 'failed', name: 'its end', file: 'jest', why: expect.stringContaining('jest was ended by SIGABRT') },
    ]);
  });

  it('ends with all that its specs started when it is told to, and says so', async () => {
    const server = `const server = require('node:net').createServer().listen(0, '127.0.0.1', () => {
      const { writeFileSync, renameSync } = require('node:fs');
      writeFileSync('port.new', String(server.address().port));
      renameSync('port.new', 'port');
    });`;
    const spec = `it('serves', () => new Promise(() => {
      const { existsSync, writeSync } = require('node:fs');
      require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(server)}], { stdio: 'ignore' });
      const look = setInterval(() => { if (existsSync('port')) { clearInterval(look); writeSync(2, 'ready\\n'); } }, 20);
    }));`;
    const { ended, tests } = await run({ 'a.spec.js': spec }, { during: (pid) => process.kill(pid, 'SIGTERM') });
    expect(ended).toBe('SIGTERM');
    expect(tests).toEqual([
      {
        status: 'failed',
        name: 'its end',
        file: 'a.spec.js',
        why: expect.stringContaining('ended by SIGTERM as SIGTERM was sent to this run'),
      },
    ]);
    const port = Number(await readFile(path.join(directory, 'port'), 'utf8'));
    const answers = () =>
      new Promise<boolean>((resolve) => {
        const socket = connect(port, '127.0.0.1', () => resolve(true)).once('error', () => resolve(false));
        socket.once('connect', () => socket.destroy());
      });
    while (await answers()) await new Promise((resolve) => setTimeout(resolve, 20));
  });

  it('runs nothing when its supervisor is gone before it was loaded', async () => {
    await writeFile(path.join(directory, 'a.spec.js'), "it('runs', () => require('node:fs').writeFileSync('ran', ''));");
    const config = { rootDir: directory, transform: {}, reporters: [path.join(JEST, 'tell.cjs')] };
    await writeFile(path.join(directory, 'jest.config.json'), JSON.stringify(config));
    const program = `require('node:child_process').spawn(process.execPath, [${JSON.stringify(require.resolve('jest/bin/jest'))}, '-c', 'jest.config.json', '--runInBand'],
      { detached: true, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
      process.exit();`;
    const orphan = spawn(process.execPath, ['-e', program], {
      cwd: directory,
      env: { ...process.env, HOLDFAST_TESTS: '', JEST_WORKER_ID: undefined },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    // When jest has ended, too, which holds it.
    orphan.stderr.resume();
    await new Promise((resolve) => orphan.once('close', resolve));
    expect(existsSync(path.join(directory, 'ran'))).toBe(false);
  });
});
