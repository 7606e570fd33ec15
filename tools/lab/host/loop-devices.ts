import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '@holdfast/errors';
import { type RunToolOptions, runTool } from './run-tool.ts';

export interface LoopDevice {
  /** `/dev/loop3` */
  readonly device: string;
  /** The file behind it. */
  readonly file: string;
  /** The kernel detaches it as soon as nobody has it open or mounted any more. */
  readonly autoclear: boolean;
}

/** Puts a file behind the next free loop device. */
export const attachLoop = async (file: string, options: RunToolOptions = {}): Promise<string> => {
  const { stdout } = await runTool('losetup', ['--find', '--show', file], options);
  return stdout.trim();
};

/** All loop devices of the machine that have a file. */
export const listLoops = async (): Promise<LoopDevice[]> => {
  const { stdout } = await runTool('losetup', ['--list', '--json', '--output', 'NAME,AUTOCLEAR,BACK-FILE']);
  if (stdout.trim() === '') return [];
  const { loopdevices } = JSON.parse(stdout) as { loopdevices: { name: string; autoclear: boolean; 'back-file': string | null }[] };
  return loopdevices.map(({ name, autoclear, 'back-file': file }) => ({
    device: name,
    file: (file ?? '').replace(/ \(deleted\)$/, ''),
    autoclear,
  }));
};

/** What was written to it is written back first: on a busy machine that takes a while. */
const PATIENCE_MS = 30_000;
const LOOK_EVERY_MS = 20;
/** After so long somebody else keeps it. */
const HELD_AFTER_MS = 5000;
/** Whoever lists devices has each open for a moment. */
const ASK_EVERY_MS = 1000;

/**
 * Detaches one device and waits until the kernel has let go of its file. A process that began its own mount namespace (a container, say)
 * while the device was mounted keeps a copy of that mount: then this tells `held`, and the kernel detaches it when that process ends.
 */
export const detachLoop = async (device: string): Promise<'detached' | 'held'> => {
  const attributes = `/sys/block/${device.slice('/dev/'.length)}/loop`;
  if (!existsSync(`${attributes}/backing_file`)) return 'detached';
  const isHeld = (): boolean => existsSync(`${attributes}/autoclear`) && readFileSync(`${attributes}/autoclear`, 'utf8').trim() === '1';
  const from = performance.now();
  const waited = (): number => performance.now() - from;
  for (let asked = Number.NEGATIVE_INFINITY; waited() < PATIENCE_MS; ) {
    if (!isHeld() && waited() - asked >= ASK_EVERY_MS) {
      asked = waited();
      await runTool('losetup', ['--detach', device], { accept: [0, 1] });
    }
    if (!existsSync(`${attributes}/backing_file`)) return 'detached';
    await sleep(LOOK_EVERY_MS);
    if (isHeld() && waited() > HELD_AFTER_MS) return 'held';
  }
  throw new HoldfastError('DEVICE_IN_USE', {
    thing: device,
    why: 'it could not be detached',
    remedy: `find out who uses it (lsof ${device}), end that, and run losetup --detach ${device}`,
  });
};
