import { existsSync } from 'node:fs';
import { type RunToolOptions, runTool } from './run-tool.ts';
import { until } from './until.ts';

export interface LoopDevice {
  /** `/dev/loop3` */
  readonly device: string;
  /** The file behind it. */
  readonly file: string;
}

/** Puts a file behind the next free loop device. */
export const attachLoop = async (file: string, options: RunToolOptions = {}): Promise<string> => {
  const { stdout } = await runTool('losetup', ['--find', '--show', file], options);
  return stdout.trim();
};

/** All loop devices of the machine that have a file. */
export const listLoops = async (): Promise<LoopDevice[]> => {
  const { stdout } = await runTool('losetup', ['--list', '--json', '--output', 'NAME,BACK-FILE']);
  if (stdout.trim() === '') return [];
  const { loopdevices } = JSON.parse(stdout) as { loopdevices: { name: string; 'back-file': string | null }[] };
  return loopdevices.map((loop) => ({ device: loop.name, file: (loop['back-file'] ?? '').replace(/ \(deleted\)$/, '') }));
};

/** Detaches one device and waits until the kernel has let go of its file; nothing happens to one already detached. */
export const detachLoop = async (device: string): Promise<void> => {
  const backing = `/sys/block/${device.slice('/dev/'.length)}/loop/backing_file`;
  if (!existsSync(backing)) return;
  await runTool('losetup', ['--detach', device], { accept: [0, 1] });
  await until(`${device} is detached`, () => !existsSync(backing), { seconds: 30 });
};
