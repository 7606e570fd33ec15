import { createSparseBlockSet } from '@holdfast/block';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { attribute } from '../trace/attribute.ts';
import { assureCounted } from '../trace/bio-probe.ts';
import { diskLost } from '../trace/continuity-lost.ts';
import type { TracedDevice } from '../trace/device.ts';
import type { WriteTraceSession } from '../trace/trace.ts';
import { openTracedDisk, type TracedDisk } from '../trace/traced-disk.ts';
import type { UnderWay, WriteTrace } from '../trace/write-trace.ts';

/*
 * Disks whose writes the kernel's events do not name, beside those that are traced. Such a disk is read as a whole and compared (scan). What
 * was read is the disk at every instant up to which nothing was written since the reading began; that the kernel's count of written
 * sectors tells, and its count of writes in flight. So it takes part in the cuts of the others, at their very instant, for as long as nobody writes to it.
 * Not counted is what programs hand to a disk past the block layer (SG_IO, NVMe commands), which the trace would have told: that goes unseen here.
 */

/** Indexes of scanned disks begin here: those in the trace are smaller. */
const FIRST_INDEX = 1_000_000;
/** Milliseconds for which nothing may have been written before a disk is read. */
const QUIET = 5_000;

/** A session of the trace to which disks can be attached that it cannot follow (`TracedDevice.scanned`). */
export interface ScanningSession extends WriteTraceSession {
  /**
   * Begins to read a scanned disk: from now on `isStill` tells whether anything was written to it. False when now is not the time, because
   * it was written just now.
   */
  beginScan(index: number): boolean;
  /** Lets go of all scanned disks. */
  endScans(): void;
  /** True for a scanned disk to which nothing was written since it was begun to be read, and for every other. */
  isStill(index: number): boolean;
}

interface Scanned {
  readonly disk: TracedDisk;
  dirty: ReturnType<typeof createSparseBlockSet>;
  /** Sectors written when it was begun to be read. */
  begun: number | undefined;
  /** Sectors written when they were looked at last, and since when it is so many. */
  seen: number | undefined;
  since: number;
}

/** What is lost of such a disk, which is read anew anyway, is nothing that the trace of the others has lost. */
const alone = <T>(look: () => T): T => {
  try {
    return look();
  } catch (reason) {
    if (!isHoldfastError(reason, 'CONTINUITY_LOST')) throw reason;
    const { thing, why } = reason;
    throw new HoldfastError('DEVICE_CHANGED', { thing, why, remedy: 'attach it again: it is read anew by itself', cause: reason });
  }
};

const isIdle = ({ disk }: Scanned): boolean => alone(() => disk.idle());

/** Sectors written so far; undefined while a write is under way. Asked in this order, what ended in between is counted. */
const countOf = (scanned: Scanned): number | undefined => (isIdle(scanned) ? alone(() => scanned.disk.readings(() => 0).last) : undefined);

/** Throws DEVICE_CHANGED when it cannot be told whether anything is written: the device is gone, another one, or not counted any more. */
const check = ({ disk }: Scanned): void =>
  alone(() => {
    disk.check();
    if (attribute(`/sys/block/${disk.device.name}`, 'queue/iostats') === '0')
      throw diskLost(disk.device, 'its I/O statistics are switched off (queue/iostats)');
  });

/** That such a disk is idle is all that is asked of it. */
const UNKNOWN: UnderWay = { isOver: () => false, close: () => undefined };

/** `quiet`: milliseconds for which nothing may have been written before a disk is read. */
export const withScannedDisks = (session: WriteTraceSession, quiet = QUIET): ScanningSession => {
  const scanned = new Map<number, Scanned>();
  let next = FIRST_INDEX;
  const { trace } = session;
  const attach = (device: TracedDevice, reason: string): ReturnType<WriteTraceSession['attach']> => {
    assureCounted(device);
    const index = next;
    next += 1;
    const dirty = createSparseBlockSet(device.size);
    scanned.set(index, { disk: openTracedDisk(device), dirty, begun: undefined, seen: undefined, since: performance.now() });
    return { index, continuity: { kind: 'lost', reason } };
  };
  const detach = (index: number): boolean => {
    scanned.get(index)?.disk.close();
    return scanned.delete(index);
  };
  const withScanned: WriteTrace = {
    start: trace.start,
    ringBytes: trace.ringBytes ?? 0,
    now: () => trace.now(),
    drain: (sink) => trace.drain(sink),
    settle: () => trace.settle(),
    tellIssues: (told) => trace.tellIssues(told),
    dirty: (index) => scanned.get(index)?.dirty ?? trace.dirty(index),
    idle: (index) => {
      const found = scanned.get(index);
      return found === undefined ? trace.idle(index) : isIdle(found);
    },
    underWay: (index) => (scanned.has(index) ? UNKNOWN : trace.underWay(index)),
    verify: (sink) => trace.verify(sink),
    close: () => trace.close(),
  };
  return {
    trace: withScanned,
    attach: (device, sink) => (device.scanned === undefined ? session.attach(device, sink) : attach(device, device.scanned)),
    confirm: (index) => scanned.has(index) || session.confirm(index),
    sizeOf: (index) => scanned.get(index)?.disk.size() ?? session.sizeOf(index),
    grow: (index, size) => {
      const found = scanned.get(index);
      if (found === undefined) session.grow(index, size);
      else found.dirty = createSparseBlockSet(size);
    },
    detach: (index) => detach(index) || session.detach(index),
    detachOthers: () => session.detachOthers(),
    destroy: () => session.destroy(),
    endScans: () => {
      for (const index of [...scanned.keys()]) detach(index);
    },
    beginScan: (index) => {
      const found = scanned.get(index);
      if (found === undefined) return true;
      check(found);
      const count = countOf(found);
      if (count === undefined || count !== found.seen) {
        found.seen = count;
        found.since = performance.now();
      }
      if (count === undefined || performance.now() - found.since < quiet) return false;
      found.begun = count;
      return true;
    },
    isStill: (index) => {
      const found = scanned.get(index);
      if (found === undefined) return true;
      check(found);
      return found.begun !== undefined && countOf(found) === found.begun;
    },
  };
};
