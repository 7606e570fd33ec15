import { randomUUID } from 'node:crypto';
import { copyFile, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Duplex } from 'node:stream';
import { HoldfastError } from '@holdfast/errors';
import { isPresent } from '../setup/presence.ts';
import { bootScript } from './boot-script.ts';
import { guestFailure } from './console-log.ts';
import { createDesk, type Desk, type GuestResult, titleOf } from './desk.ts';
import { type GuestDisk, type GuestDiskOptions, prepareDisks } from './disks.ts';
import { createGuestHome } from './home.ts';
import { createGuestImage, type GuestImage } from './image.ts';
import { type Qemu, startQemu } from './qemu.ts';
import { qemuArguments } from './qemu-arguments.ts';
import { quoted } from './shell.ts';
import { within } from './within.ts';

export interface GuestOptions {
  readonly image?: GuestImage;
  /** 1024 unless told otherwise; half of it is room for what the guest writes outside its disks. */
  readonly memoryMiB?: number;
  /** 2 unless told otherwise. */
  readonly processors?: number;
  readonly disks?: readonly GuestDiskOptions[];
  /** Directories of the host the guest reads, by their place in the guest. */
  readonly share?: Readonly<Record<string, string>>;
  /** `user`: the guest reaches the host's loopback as 10.0.2.2, nothing reaches the guest. `none` unless told otherwise. */
  readonly network?: 'none' | 'user';
  /** Appended to the kernel command line. */
  readonly append?: string;
}

export interface RunOptions {
  /** 120 unless told otherwise; `Infinity` for no limit. */
  readonly timeoutSeconds?: number;
}

/**
 * A Debian machine in QEMU. Its root is memory and fresh at every start; its disks stay as they were left. All failures are
 * `GUEST_FAILED` and carry the end of the console; what QEMU itself refuses is `FABRIC_FAILED`.
 */
export interface Guest extends AsyncDisposable {
  readonly disks: readonly GuestDisk[];
  /** All that every start so far printed on the serial console; gone when the guest is stopped. */
  readonly consoleLog: string;
  /** Process of QEMU, undefined while the guest is off. */
  readonly pid: number | undefined;
  /** Runs a bash script as root. Several may run side by side; what a script leaves in the background goes on. */
  run(script: string, options?: RunOptions): Promise<GuestResult>;
  /** What a script printed, without the last newline; it fails unless the script ends with 0. */
  output(script: string, options?: RunOptions): Promise<string>;
  /** Copies a file into the guest, with its mode. */
  put(hostPath: string, guestPath: string): Promise<void>;
  /** Copies a file out of the guest. */
  get(guestPath: string, hostPath: string): Promise<void>;
  /** The orderly way: services end, file systems are unmounted, arrays stopped; then it starts again. */
  reboot(): Promise<void>;
  /** The orderly way, and it stays off until `start`. */
  shutDown(): Promise<void>;
  /** Off between two instructions. What a disk has acknowledged stays, as on a disk without a volatile cache. */
  powerCut(): Promise<void>;
  /** Switches it on again, with the same disks and identity; resolves when its boot has ended. */
  start(): Promise<void>;
  /** A command to QEMU, for what no script in the guest can do: `block_resize`, `device_add`, `block-dirty-bitmap-add`, … */
  qmp(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** Both ways of the serial console, as long as the guest is on. */
  console(): Duplex;
  /** Ends it as a power cut does and removes all it kept on the host. */
  stop(): Promise<void>;
}

/** Ten times what they take on a busy machine with two processors. */
const BOOT_PATIENCE_SECONDS = 240;
const SHUTDOWN_PATIENCE_SECONDS = 120;
const RUN_PATIENCE_SECONDS = 120;

/** Starts a guest and waits until its boot has ended and its disks are there. Nothing of it outlives this process. */
export const startGuest = async ({
  image,
  memoryMiB = 1024,
  processors = 2,
  disks: wanted = [],
  share = {},
  network = 'none',
  append = '',
}: GuestOptions = {}): Promise<Guest> => {
  if (!isPresent('qemu-system-x86_64')) {
    throw new HoldfastError('TOOL_MISSING', {
      thing: 'qemu-system-x86_64',
      why: 'not on this machine',
      remedy: 'install qemu-system-x86 (Debian)',
    });
  }
  const used = image ?? (await createGuestImage());
  const home = await createGuestHome();
  const consoleLog = path.join(home.directory, 'console.log');
  const failure = (thing: string, why: string): HoldfastError => guestFailure(consoleLog, thing, why);

  let disks: GuestDisk[];
  let desk: Desk;
  try {
    disks = await prepareDisks(wanted, home.directory);
    desk = await createDesk(path.join(home.directory, 'desk'), failure);
  } catch (reason) {
    await home.remove();
    throw reason;
  }
  const mounts = Object.entries(share).map(([at, directory], index) => ({
    at,
    tag: `share${index}`,
    path: path.resolve(directory),
    writable: false,
  }));
  const shares = [{ tag: 'desk', path: desk.directory, writable: true }, ...mounts];
  const args = qemuArguments({ image: used, memoryMiB, processors, disks, shares, network, uuid: randomUUID(), consoleLog, append });

  let qemu: Qemu | undefined;
  let endIsMeant = false;
  let transfers = 0;

  const running = (): Qemu => {
    if (qemu === undefined) throw failure('guest', 'it is off');
    return qemu;
  };

  const end = async (): Promise<void> => {
    const ending = qemu;
    if (ending === undefined) return;
    endIsMeant = true;
    ending.kill();
    await ending.ended;
  };

  const run = (script: string, { timeoutSeconds = RUN_PATIENCE_SECONDS }: RunOptions = {}): Promise<GuestResult> =>
    desk.run(script, timeoutSeconds);

  const output = async (script: string, options?: RunOptions): Promise<string> => {
    const { status, stdout, stderr } = await run(script, options);
    if (status === 0) return stdout.replace(/\n$/, '');
    const how = status === undefined ? 'the guest went off under it' : `it ended with status ${status}`;
    const said = stderr.trim() || stdout.trim() || 'it printed nothing';
    throw new HoldfastError('GUEST_FAILED', { thing: titleOf(script), why: `${how}: ${said}`, remedy: 'mend the script or what it runs' });
  };

  const start = async (): Promise<void> => {
    if (qemu !== undefined) throw failure('guest', 'it is on already');
    endIsMeant = false;
    const starting = await startQemu(args);
    qemu = starting;
    const ready = desk.connect(starting.jobs);
    const death = starting.ended.then((how) => {
      qemu = undefined;
      const reason = endIsMeant ? undefined : failure('guest', how);
      desk.disconnect(reason);
      return reason;
    });
    try {
      const died = await within(BOOT_PATIENCE_SECONDS, Promise.race([ready, death]), () =>
        failure('guest', `no boot within ${BOOT_PATIENCE_SECONDS} s`),
      );
      if (died !== undefined) throw died;
      await output(bootScript(disks, mounts, network === 'user'));
    } catch (reason) {
      await end();
      throw reason;
    }
  };

  const leave = async (verb: 'reboot' | 'poweroff'): Promise<void> => {
    const leaving = running();
    endIsMeant = true;
    try {
      const { status = 0, stderr } = await run(`systemctl --no-block ${verb}`);
      if (status !== 0) throw failure('guest', `${verb} was refused: ${stderr.trim()}`);
      await within(SHUTDOWN_PATIENCE_SECONDS, leaving.ended, () => failure('guest', `no ${verb} within ${SHUTDOWN_PATIENCE_SECONDS} s`));
    } catch (reason) {
      endIsMeant = false;
      throw reason;
    }
  };

  const stop = async (): Promise<void> => {
    await end();
    await home.remove();
  };

  try {
    await start();
  } catch (reason) {
    await home.remove();
    throw reason;
  }

  return {
    disks,
    consoleLog,
    get pid() {
      return qemu?.pid;
    },
    run,
    output,
    put: async (hostPath, guestPath) => {
      const name = `put-${++transfers}`;
      await copyFile(hostPath, path.join(desk.directory, name));
      await output(`mkdir -p "$(dirname -- ${quoted(guestPath)})" && cp --preserve=mode /run/desk/${name} ${quoted(guestPath)}`);
      await rm(path.join(desk.directory, name));
    },
    get: async (guestPath, hostPath) => {
      const name = `get-${++transfers}`;
      await output(`cp -- ${quoted(guestPath)} /run/desk/${name}`);
      await copyFile(path.join(desk.directory, name), hostPath);
      await rm(path.join(desk.directory, name));
    },
    reboot: async () => {
      await leave('reboot');
      await start();
    },
    shutDown: () => leave('poweroff'),
    powerCut: async () => {
      running();
      await end();
    },
    start,
    qmp: async (command, parameters) => running().qmp.execute(command, parameters),
    console: () => running().console,
    stop,
    [Symbol.asyncDispose]: stop,
  };
};
