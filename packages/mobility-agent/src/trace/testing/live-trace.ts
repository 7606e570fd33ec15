import { type ChildProcess, spawn } from 'node:child_process';
import { type ErrorCode, isHoldfastError } from '@holdfast/errors';
import { identifyDevice } from '../device.ts';
import { type Continuity, createWriteTrace, type WriteTraceSession } from '../trace.ts';
import { createCountingSink } from './counting-sink.ts';
import { createLoopDisk, type LoopDisk, run } from './loop-disk.ts';

export const MIB = 1024 * 1024;

/** One trace at a time over loop devices, under a name of this process; `clean` takes everything away again. */
export const createLiveTrace = () => {
  const stateName = `holdfast-live-${process.pid}`;
  const options = { machineId: 'f'.repeat(32), stateName, memoryDirectory: '/dev/shm', bufferBytes: 16 * MIB };
  const sink = createCountingSink();
  const disks: LoopDisk[] = [];
  let session: WriteTraceSession | undefined;
  let used = options;
  return {
    get session(): WriteTraceSession {
      return session!;
    },
    options,
    sink,
    instance: `/sys/kernel/tracing/instances/${stateName}`,
    memory: `/dev/shm/${stateName}`,
    open: (changes: Partial<typeof options> = {}): WriteTraceSession => {
      session?.trace.close();
      used = { ...options, ...changes };
      session = createWriteTrace(used);
      return session;
    },
    disk: (size = 16 * MIB, partitionAt?: number): LoopDisk => {
      const made = createLoopDisk(size, partitionAt);
      disks.push(made);
      return made;
    },
    attach: ({ path }: LoopDisk): { index: number; continuity: Continuity } => {
      const attached = session!.attach(identifyDevice(path), sink);
      session!.confirm(attached.index);
      return attached;
    },
    clean: (): void => {
      try {
        session?.trace.close();
        if (session !== undefined) createWriteTrace(used).destroy();
      } finally {
        session = undefined;
        for (const made of disks.splice(0)) made.detach();
      }
    },
  };
};

export const writeDirect = (path: string, block: number, count = 1): void =>
  void run('dd', 'if=/dev/urandom', `of=${path}`, 'bs=4k', `seek=${block}`, `count=${count}`, 'oflag=direct', 'conv=notrunc');

/** fio with random writes of 4 to 64 KiB, past the page cache, eight at a time; one process, so that killing it ends it. */
export const randomWrites = (path: string, ...more: string[]): ChildProcess => {
  const load = ['--rw=randwrite', '--bsrange=4k-64k', '--refill_buffers', '--norandommap', '--randrepeat=0'];
  const engine = ['--thread', '--ioengine=libaio', '--direct=1', '--iodepth=8'];
  return spawn('fio', ['--name=writes', `--filename=${path}`, ...load, ...engine, ...more], { stdio: 'ignore' });
};

/** What CONTINUITY_LOST says. */
export const lossOf = (work: () => unknown): string => {
  try {
    work();
    return 'nothing lost';
  } catch (reason) {
    if (!isHoldfastError(reason, 'CONTINUITY_LOST')) throw reason;
    return `${reason.thing}: ${reason.why}`;
  }
};

export const codeOf = (work: () => unknown): ErrorCode | undefined => {
  try {
    work();
    return undefined;
  } catch (reason) {
    if (!isHoldfastError(reason)) throw reason;
    return reason.code;
  }
};
