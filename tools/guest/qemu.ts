import { type ChildProcess, spawn } from 'node:child_process';
import type { Duplex } from 'node:stream';
import { HoldfastError } from '@holdfast/errors';
import { createQmp, type Qmp } from '@holdfast/fabric';
import { QEMU_DESCRIPTORS } from './qemu-arguments.ts';

/** One power-on of a guest. */
export interface Qemu {
  readonly pid: number;
  readonly qmp: Qmp;
  /** The line between the host and the agent in the guest. */
  readonly jobs: Duplex;
  /** The guest's serial console. */
  readonly console: Duplex;
  /** Resolves when the process has ended, with how it ended and what it complained about. */
  readonly ended: Promise<string>;
  /** Ends it between two instructions of the guest, as a power failure would. */
  kill(): void;
}

const PROGRAM = 'qemu-system-x86_64';
const MAX_COMPLAINT_CHARACTERS = 4000;

const descriptor = (child: ChildProcess, fd: number): Duplex => {
  const stream = child.stdio[fd] as unknown as Duplex;
  // A reset when QEMU is killed; `ended` tells.
  stream.on('error', () => stream.destroy());
  return stream;
};

/** Starts QEMU so that it cannot outlive this process: the kernel kills it with us, however we end. */
export const startQemu = async (args: readonly string[]): Promise<Qemu> => {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', PROGRAM, ...args], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
  });
  let complaint = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (complaint = (complaint + text).slice(-MAX_COMPLAINT_CHARACTERS)));
  const ended = new Promise<string>((resolve) => {
    child.on('close', (status, signal) =>
      resolve([`QEMU ended with ${signal ?? `status ${status}`}`, complaint.trim()].filter(Boolean).join(': ')),
    );
  });
  await new Promise<void>((resolve, reject) => {
    child.on('spawn', resolve);
    child.on('error', (cause) =>
      reject(
        new HoldfastError('TOOL_MISSING', { thing: 'setpriv', why: cause.message, remedy: 'install util-linux and try again', cause }),
      ),
    );
  });
  const console = descriptor(child, QEMU_DESCRIPTORS.console);
  // Without a reader the guest would stop once the socket is full; the log has it all.
  console.resume();
  return {
    pid: child.pid!,
    qmp: createQmp(descriptor(child, QEMU_DESCRIPTORS.qmp)),
    jobs: descriptor(child, QEMU_DESCRIPTORS.jobs),
    console,
    ended,
    kill: () => child.kill('SIGKILL'),
  };
};
