import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { clearResults, readResults } from './jest-results.ts';

const PRESET = path.resolve(__dirname, '../../jest.preset.cjs');
const JEST = path.join(createRequire(__filename).resolve('jest/package.json'), '../bin/jest.js');

/** Specs in a project of their own, run by a real jest with our preset. */
describe('what is counted of a jest run', () => {
  let root: string;
  const project = { name: 'sample', nxName: '@holdfast/sample', directory: 'sample' };

  const jest = async (specs: Record<string, string>, live = false): Promise<number> => {
    const directory = path.join(root, 'sample');
    await mkdir(directory, { recursive: true });
    await writeFile(path.join(directory, 'jest.config.cjs'), `module.exports = require(${JSON.stringify(PRESET)})(__dirname);`);
    for (const [name, source] of Object.entries(specs)) await writeFile(path.join(directory, name), source);
    const env = { ...process.env, HOLDFAST_TESTS: live ? 'live' : '', JEST_WORKER_ID: undefined };
    return new Promise((resolve) => {
      execFile(process.execPath, [JEST, '-c', 'jest.config.cjs'], { cwd: directory, env }, (error) =>
        resolve(error === null ? 0 : Number(error.code)),
      );
    });
  };

  const counted = async (target: 'test' | 'live' = 'test') =>
    (await readResults(root, project, target, 0)).map(({ name, status, why }) => [status, name, ...(status === 'skipped' ? [why] : [])]);

  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'holdfast-results-'));
  });

  afterEach(() => rm(root, { recursive: true }));

  it('is every test, and every skip with its reason', async () => {
    const status = await jest({
      'a.spec.ts': `
        describe('group', () => {
          it('passes', () => { expect(1 as number).toBe(1); });
          it.unless(undefined, 'passes too', () => {});
          it.unless('no disk [sdb]', 'is left out', () => { throw new Error(); });
        });
        describe.unless(lacks('sh', 'holdfast-no-such-command', '/dev/holdfast-none'), 'all of these', () => {
          it('one', () => { throw new Error(); });
        });
        describe.unless(lacks('sh'), 'these run', () => { it('one', () => {}); });`,
    });
    expect(status).toBe(0);
    expect(await counted()).toEqual([
      ['passed', 'a.spec.ts: group passes'],
      ['passed', 'a.spec.ts: group passes too'],
      ['skipped', 'a.spec.ts: group is left out', 'no disk [sdb)'],
      ['skipped', 'a.spec.ts: all of these one', 'needs holdfast-no-such-command, /dev/holdfast-none'],
      ['passed', 'a.spec.ts: these run one'],
    ]);
  });

  it('is a failure where a test is left out without a reason', async () => {
    const status = await jest({
      'a.spec.ts': "it('x', () => {}); it.skip('y', () => {});",
      'b.spec.ts': "it.only('x', () => {}); it('y', () => {});",
    });
    expect(status).toBe(1);
    expect((await counted()).toSorted()).toEqual([
      ['failed', 'a.spec.ts: y'],
      ['failed', 'b.spec.ts: y'],
      ['passed', 'a.spec.ts: x'],
      ['passed', 'b.spec.ts: x'],
    ]);
  });

  it('is a failure for a test that fails and for a file that cannot be run', async () => {
    const status = await jest({ 'a.spec.ts': "it('x', () => { expect(1).toBe(2); });", 'b.spec.ts': 'this is no TypeScript' });
    expect(status).toBe(1);
    expect((await counted()).toSorted()).toEqual([
      ['failed', 'a.spec.ts: x'],
      ['failed', 'b.spec.ts: b.spec.ts'],
    ]);
  });

  it('keeps hermetic and live specs apart', async () => {
    const specs = { 'a.spec.ts': "it('x', () => {});", 'a.live.spec.ts': "it('y', () => {});" };
    await jest(specs);
    await jest(specs, true);
    expect(await counted('test')).toEqual([['passed', 'a.spec.ts: x']]);
    expect(await counted('live')).toEqual([['passed', 'a.live.spec.ts: y']]);
  });

  it('is marked as cached when it is older than the run that reads it', async () => {
    await jest({ 'a.spec.ts': "it('x', () => {});" });
    expect(await readResults(root, project, 'test', 0)).toMatchObject([{ cached: false }]);
    expect(await readResults(root, project, 'test', Date.now() + 1)).toMatchObject([{ cached: true }]);
  });

  it('is one failure where a run left no results, and results of former runs are not counted again', async () => {
    await jest({ 'a.spec.ts': "it('x', () => {});" });
    await clearResults(root, [project], 'test');
    expect(await counted()).toEqual([['failed', 'test run']]);
  });
});
