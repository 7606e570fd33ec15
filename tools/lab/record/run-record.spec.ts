import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { identify } from '../host/processes.ts';
import { createRecorder, findLeftovers, newRunId } from './run-record.ts';

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(path.join(os.tmpdir(), 'lab-record-'));
});
const sleepers: ChildProcess[] = [];
afterEach(() => {
  rmSync(parent, { recursive: true });
  for (const child of sleepers.splice(0)) child.kill('SIGKILL');
});

const sleeper = async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  sleepers.push(child);
  await once(child, 'spawn');
  return { child, identity: identify(child.pid!)! };
};

describe('the record of a run', () => {
  it('is on disk before anything else is, and grows with what is made', () => {
    const recorder = createRecorder(newRunId(), parent);
    recorder.note({ traceInstances: ['one'], memory: ['/dev/shm/x'], paths: ['/x'] });
    recorder.note({ paths: ['/y'], frozen: ['/mnt/a', '/mnt/b'] });
    recorder.thawed('/mnt/a');
    recorder.noteProcess(process.pid);
    expect(JSON.parse(readFileSync(recorder.file, 'utf8'))).toEqual({
      version: 1,
      owner: identify(process.pid),
      directory: recorder.file.slice(0, -'.json'.length),
      standing: false,
      processes: [identify(process.pid)],
      recoveries: [],
      traceInstances: ['one'],
      memory: ['/dev/shm/x'],
      paths: ['/x', '/y'],
      emptied: [],
      frozen: ['/mnt/b'],
      namespaces: [],
    });
    expect(existsSync(recorder.record.directory)).toBe(true);
  });

  it('is a leftover only when its run is dead', async () => {
    const recorder = createRecorder(newRunId(), parent);
    expect(findLeftovers(parent)).toEqual([]);
    const { child, identity } = await sleeper();
    writeFileSync(recorder.file, JSON.stringify({ ...recorder.record, owner: identity }));
    expect(findLeftovers(parent)).toEqual([]);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(findLeftovers(parent)).toEqual([{ file: recorder.file, record: { ...recorder.record, owner: identity } }]);
    // Whoever else could have written it could have anything deleted.
    chmodSync(recorder.file, 0o622);
    expect(findLeftovers(parent)).toEqual([]);
    renameSync(recorder.file, `${recorder.file}.real`);
    chmodSync(`${recorder.file}.real`, 0o600);
    symlinkSync(`${recorder.file}.real`, recorder.file);
    expect(findLeftovers(parent)).toEqual([]);
  });

  it('is not believed when it is damaged or speaks of another directory', () => {
    const file = path.join(parent, 'holdfast-lab-00000000.json');
    const dead = { pid: 2 ** 22 + 1, started: 1 };
    for (const content of ['', '{', JSON.stringify({ version: 2 }), JSON.stringify({ version: 1, owner: dead, directory: '/etc' })]) {
      writeFileSync(file, content);
      expect(findLeftovers(parent)).toEqual([]);
    }
  });
});
