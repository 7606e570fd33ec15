import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { startChild } from './child.ts';

describe('a child process of ours', () => {
  const child = (source: string) => {
    const directory = mkdtempSync(path.join(os.tmpdir(), 'lab-child-'));
    const script = path.join(directory, 'script.mjs');
    writeFileSync(script, source);
    const messages: unknown[] = [];
    const pids: number[] = [];
    const started = startChild<unknown, { n: number }>({
      script: pathToFileURL(script),
      settings: { n: 1 },
      onMessage: (message) => messages.push(message),
      onStart: (pid) => pids.push(pid),
    });
    void started.ended.then(() => rmSync(directory, { recursive: true }));
    return { started, messages, pids };
  };

  it('gets its settings, takes orders, tells, and its last words are kept', async () => {
    const source = `process.send({ settings: JSON.parse(process.argv[2]) });
      process.on('message', ({ n }) => { process.send({ n }, () => { console.error('bye'); process.exit(4); }); });`;
    const { started, messages, pids } = child(source);
    expect(pids).toEqual([started.pid]);
    started.tell({ n: 7 });
    expect(await started.ended).toEqual({ status: 4, signal: null, words: 'bye' });
    expect(messages).toEqual([{ settings: { n: 1 } }, { n: 7 }]);
    started.tell({ n: 8 });
  });

  it('is killed by SIGKILL', async () => {
    const { started } = child('setInterval(() => {}, 1000)');
    started.kill();
    expect(await started.ended).toMatchObject({ status: null, signal: 'SIGKILL' });
  });
});
