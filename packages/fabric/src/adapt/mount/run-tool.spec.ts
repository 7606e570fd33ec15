import { runTool } from './run-tool.ts';

it('gives what a program printed, of what it was given', async () => {
  await expect(runTool('cat', [], { input: Buffer.from('words') })).resolves.toEqual(Buffer.from('words'));
});

it('tells of a program that fails, with its words, and of one that is not there', async () => {
  await expect(runTool('sh', ['-c', 'echo no >&2; exit 3'])).rejects.toMatchObject({ code: 'IO_FAILED', why: 'no' });
  await expect(runTool('holdfast-no-such-program', [])).rejects.toMatchObject({ code: 'TOOL_MISSING' });
});

it('does not wait for one that takes too long, and ends it', async () => {
  const begun = performance.now();
  await expect(runTool('sleep', ['600'], { seconds: 0.2 })).rejects.toMatchObject({ code: 'TIMED_OUT', thing: 'sleep 600' });
  expect(performance.now() - begun).toBeLessThan(60_000);
});

it('does not wait for one that nobody wants any more, and ends it', async () => {
  const stop = new AbortController();
  const begun = performance.now();
  const running = runTool('sleep', ['600'], { signal: stop.signal });
  stop.abort(new Error('enough'));
  await expect(running).rejects.toThrow('enough');
  await expect(runTool('sleep', ['600'], { signal: stop.signal })).rejects.toThrow('enough');
  await expect(runTool('true', [], { signal: new AbortController().signal })).resolves.toEqual(Buffer.alloc(0));
  expect(performance.now() - begun).toBeLessThan(60_000);
});
