import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { identify, isAlive } from '../host/processes.ts';
import { cleanUp } from './clean-up.ts';
import { createRecorder, newRunId, type RunRecord } from './run-record.ts';

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

describe('cleaning up', () => {
  it('ends recorded processes, removes recorded paths, empties what was empty, and forgets the record', async () => {
    const recorder = createRecorder(newRunId(), parent);
    const { child, identity } = await sleeper();
    const exited = once(child, 'exit');
    const outside = path.join(parent, 'outside');
    const emptied = path.join(parent, 'emptied');
    for (const directory of [outside, emptied]) {
      mkdirSync(directory);
      writeFileSync(path.join(directory, 'file'), 'x');
    }
    recorder.noteProcess(child.pid!);
    recorder.note({ paths: [outside, path.join(parent, 'never made')], emptied: [emptied] });
    expect((await cleanUp(recorder.file, recorder.record)).failures).toEqual([]);
    await exited;
    expect(isAlive(identity)).toBe(false);
    expect(readdirSync(parent)).toEqual(['emptied']);
    expect(readdirSync(emptied)).toEqual([]);
    expect((await cleanUp(recorder.file, recorder.record)).failures).toEqual([]);
  });

  it('leaves a process that merely has the number of a recorded one', async () => {
    const recorder = createRecorder(newRunId(), parent);
    const { identity } = await sleeper();
    const record: RunRecord = { ...recorder.record, processes: [{ ...identity, started: identity.started - 1 }] };
    expect((await cleanUp(recorder.file, record)).failures).toEqual([]);
    expect(isAlive(identity)).toBe(true);
  });

  it('leaves the files when told to keep them, not what is in memory, and forgets the record all the same', async () => {
    const recorder = createRecorder(newRunId(), parent);
    writeFileSync(path.join(recorder.record.directory, 'vault.key'), 'x');
    const memory = path.join(parent, 'memory');
    mkdirSync(memory);
    recorder.note({ memory: [memory] });
    expect((await cleanUp(recorder.file, recorder.record, { keepFiles: true })).failures).toEqual([]);
    expect(readdirSync(parent)).toEqual([path.basename(recorder.record.directory)]);
    expect(readdirSync(recorder.record.directory)).toEqual(['vault.key']);
  });
});
