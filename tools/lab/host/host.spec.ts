import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { startChild } from './child.ts';
import { isWithin, mountOf, parseMounts } from './mounts.ts';
import { runTool } from './run-tool.ts';
import { until } from './until.ts';

describe('mounts', () => {
  const text = [
    '25 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw',
    '30 25 0:26 / /tmp/with\\040blank rw - tmpfs tmpfs rw',
    '31 25 7:3 /sub /tmp rw shared:2 master:1 - xfs /dev/loop3 rw,attr2',
    '',
  ].join('\n');

  it('are parsed as the kernel writes them', () => {
    expect(parseMounts(text)).toEqual([
      { directory: '/', type: 'ext4', source: '/dev/root', deviceNumber: '254:0' },
      { directory: '/tmp/with blank', type: 'tmpfs', source: 'tmpfs', deviceNumber: '0:26' },
      { directory: '/tmp', type: 'xfs', source: '/dev/loop3', deviceNumber: '7:3' },
    ]);
  });

  it('hold the files below them, not those whose names merely begin alike', () => {
    const mounts = parseMounts(text);
    expect(mountOf('/tmp/x', mounts)?.directory).toBe('/tmp');
    expect(mountOf('/tmpx', mounts)?.directory).toBe('/');
    expect(mountOf('/tmp/with blank/x', mounts)?.directory).toBe('/tmp/with blank');
    expect([isWithin('/a/b', '/a'), isWithin('/a', '/a'), isWithin('/ab', '/a')]).toEqual([true, true, false]);
  });
});

describe('running a tool', () => {
  it('gives its output and its status', async () => {
    expect(await runTool('sh', ['-c', 'echo out; echo err >&2'])).toEqual({ status: 0, stdout: 'out\n', stderr: 'err\n' });
    expect((await runTool('sh', ['-c', 'exit 1'], { accept: [1] })).status).toBe(1);
  });

  it('fails with its own words, and by name when it is missing', async () => {
    await expect(runTool('sh', ['-c', 'echo no such thing >&2; exit 3'])).rejects.toMatchObject({
      code: 'IO_FAILED',
      why: expect.stringMatching(/status 3: no such thing/),
    });
    await expect(runTool('holdfast-no-such-tool', [])).rejects.toMatchObject({ code: 'TOOL_MISSING', thing: 'holdfast-no-such-tool' });
  });

  it('is ended by the signal, and over when the call settles', async () => {
    const controller = new AbortController();
    const running = runTool('sleep', ['1000'], { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
    await expect(runTool('sleep', ['1000'], { signal: controller.signal })).rejects.toThrow('enough');
  });
});

describe('waiting for a condition', () => {
  it('ends when it is true, in vain after its time, and at the signal', async () => {
    const answers = [false, false, true];
    await until('it', () => answers.shift()!, { seconds: 10, everyMilliseconds: 1 });
    expect(answers).toEqual([]);
    await expect(until('it', () => false, { seconds: 0, everyMilliseconds: 1 })).rejects.toMatchObject({ code: 'IO_FAILED', thing: 'it' });
    await expect(until('it', () => false, { seconds: 10, signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('abort');
  });
});

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
