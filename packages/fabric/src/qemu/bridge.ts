import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { HoldfastError } from '@holdfast/errors';
import type { MachineRequest } from '../fabric.ts';
import { tapOf } from './qemu-arguments.ts';

const run = promisify(execFile);

const exists = async (name: string): Promise<boolean> => (await stat(`/sys/class/net/${name}`).catch(() => undefined)) !== undefined;
export const isBridge = async (name: string): Promise<boolean> =>
  (await stat(`/sys/class/net/${name}/bridge`).catch(() => undefined)) !== undefined;

const ip = async (...args: string[]): Promise<void> => {
  await run('ip', args).catch((cause: NodeJS.ErrnoException & { stderr?: string }) => {
    throw cause.code === 'ENOENT'
      ? new HoldfastError('TOOL_MISSING', { thing: 'ip', why: 'it is not installed here', remedy: 'install iproute2', cause })
      : new HoldfastError('FABRIC_FAILED', {
          thing: `ip ${args.join(' ')}`,
          why: cause.stderr?.trim() || cause.message,
          remedy: 'plugging a machine into a bridge needs root and the tun driver; choose another network otherwise',
          cause,
        });
  });
};

/** Plugs the machine's cables into their bridges; the host's ends are named after the operation. Those that are there stay. */
export const plugIn = async ({ operationId, shape: { networks } }: MachineRequest): Promise<void> => {
  for (const [index, { attachment }] of networks.entries()) {
    if (attachment.kind !== 'bridge') continue;
    const tap = tapOf(operationId, index);
    if (!(await exists(tap))) await ip('tuntap', 'add', 'dev', tap, 'mode', 'tap');
    await ip('link', 'set', tap, 'master', attachment.bridge, 'up');
  }
};

export const unplug = async ({ operationId, shape: { networks } }: MachineRequest): Promise<void> => {
  for (const [index, { attachment }] of networks.entries()) {
    const tap = tapOf(operationId, index);
    if (attachment.kind === 'bridge' && (await exists(tap))) await ip('link', 'delete', tap);
  }
};
