import { spawn } from 'node:child_process';
import { hearProcess } from './hear-process.ts';

const start = (script: string) => hearProcess(spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'pipe'] }));

describe('a process that is heard', () => {
  it('has written what it wrote before somebody asked, and tells all of it at its end', async () => {
    const one = start('printf "one "; printf two; printf three >&2; exit 4');
    expect((await one.written(/one (\w+)/))[1]).toBe('two');
    await expect(one.ended).resolves.toEqual({ status: 4, stdout: 'one two', stderr: 'three' });
    expect((await one.written(/two/))[0]).toBe('two');
  });

  it('that ends before it writes something, or cannot be started, is told', async () => {
    await expect(start('echo no >&2; exit 3').written(/yes/)).rejects.toThrow('it ended with 3 before it wrote /yes/: no');
    const missing = hearProcess(spawn('/nowhere/program', { stdio: ['ignore', 'pipe', 'pipe'] }));
    await expect(missing.written(/yes/)).rejects.toThrow('ENOENT');
    await expect(missing.ended).rejects.toThrow('ENOENT');
  });
});
