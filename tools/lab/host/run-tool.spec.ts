import { runTool } from './run-tool.ts';

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
