import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLoopDisk, run } from '../trace/testing/loop-disk.ts';
import { awaitGracePeriod } from './grace-period.ts';
import { freeze, thaw } from './ioctl.ts';
import { libc } from './libc.ts';
import { visitAllProcessors } from './processors.ts';
import { programOfThreads } from './testing/program-of-threads.ts';

it('freezes a file system until it is thawed', async () => {
  const loop = createLoopDisk(64 * 1024 * 1024);
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-freeze-'));
  run('mkfs.ext4', '-q', loop.path);
  run('mount', loop.path, folder);
  const fd = openSync(folder, 'r');
  freeze(fd);
  const writer = spawn('sh', ['-c', `echo asking; touch ${folder}/file`]);
  const ended = once(writer, 'exit');
  try {
    expect(() => freeze(fd)).toThrow('EBUSY');
    await once(writer.stdout, 'data');
    expect(existsSync(`${folder}/file`)).toBe(false);
    expect(writer.exitCode).toBeNull();
  } finally {
    thaw(fd);
  }
  await ended;
  expect(existsSync(`${folder}/file`)).toBe(true);
  expect(() => thaw(fd)).toThrow('EINVAL');
  closeSync(fd);
  run('umount', folder);
  rmSync(folder, { recursive: true });
  loop.detach();
});

describe('grace period', () => {
  const SELF = 0;
  const mask = (): Uint8Array => {
    const bytes = new Uint8Array(1024);
    libc().sched_getaffinity(SELF, bytes.length, bytes);
    return bytes;
  };

  it('visits every processor and stays nowhere', () => {
    const before = mask();
    expect(visitAllProcessors()).toBe(true);
    expect(mask()).toEqual(before);
    awaitGracePeriod();
  });

  it('is waited for where this process may not run everywhere', () => {
    const before = mask();
    const first = new Uint8Array(1024);
    first[0] = 1;
    libc().sched_setaffinity(SELF, first.length, first);
    try {
      expect(visitAllProcessors()).toBe(cpus().length === 1);
      expect(() => awaitGracePeriod()).not.toThrow();
      expect(mask()).toEqual(first);
    } finally {
      libc().sched_setaffinity(SELF, before.length, before);
    }
  });
});

/** Where there is one processor, nothing can be kept from it. */
const several = cpus().length > 1;

describe('processors', () => {
  it('that a program keeps to are those of all its threads, later ones too; it may still visit the others, and gives none up', async () => {
    const all = (await programOfThreads('console.log(JSON.stringify({ all: givenProcessors() }));'))['all'] as number[];
    const last = all.at(-1)!;
    const told = await programOfThreads(`
      keepTo([${last}]);
      const worker = new Worker('setInterval(() => undefined, 1e6)', { eval: true });
      await once(worker, 'online');
      const kept = threads();
      const visited = visitAllProcessors();
      const afterwards = threads();
      const given = givenProcessors();
      keepTo(undefined);
      console.log(JSON.stringify({ kept, visited, afterwards, given, released: threads().length }));`);
    expect(told).toEqual({ kept: [`${last}`], visited: true, afterwards: [`${last}`], given: all, released: 1 });
  }, 60_000);

  it('are left to others while little is needed, and taken when all of the share is needed', async () => {
    const told = await programOfThreads(`
      const all = threads();
      let needed = 0;
      leaveProcessors({ every: 5, demand: () => needed });
      ${several ? 'await until(() => threads().join() !== all.join());' : ''}
      const little = threads();
      needed = 1e6;
      await until(() => threads().join() === all.join());
      console.log(JSON.stringify({ all, little }));`);
    expect(told['all']).toHaveLength(1);
    expect(told['little']).toHaveLength(1);
    if (several) expect(told['little']).not.toEqual(told['all']);
  }, 60_000);

  it('are all taken at once while somebody asks for it, whatever is needed meanwhile, and left again at once', async () => {
    const told = await programOfThreads(`
      const all = threads();
      let needed = 0;
      let looks = 0;
      const share = leaveProcessors({ every: 5, demand: () => (looks += 1, needed) });
      ${several ? 'await until(() => threads().join() !== all.join());' : ''}
      const little = threads();
      const narrows = [share.widen(), share.widen()];
      const asked = threads();
      needed = 1e6;
      looks = 0;
      await until(() => looks > 10);
      narrows[0]();
      narrows[0]();
      const asking = threads();
      narrows[1]();
      console.log(JSON.stringify({ all, little, asked, asking, afterwards: threads() }));`);
    expect([told['asked'], told['asking'], told['afterwards']]).toEqual([told['all'], told['all'], told['little']]);
    if (several) expect(told['little']).not.toEqual(told['all']);
  }, 60_000);

  it('are not left where the kernel does not tell what is needed', async () => {
    const told = await programOfThreads(`
      const all = threads();
      let looks = 0;
      leaveProcessors({ every: 1, demand: () => void (looks += 1) });
      await until(() => looks > 30);
      console.log(JSON.stringify({ all, then: threads() }));`);
    expect(told['then']).toEqual(told['all']);
  }, 60_000);
});
