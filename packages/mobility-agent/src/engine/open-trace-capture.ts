import fs from 'node:fs';
import { fromSystem, type HoldfastError, isHoldfastError } from '@holdfast/errors';
import type { CaptureDisk } from '../capture/capture.ts';
import { type OpenDiskSource, openDiskSource } from '../capture/open-disk-source.ts';
import { createTraceCapture } from '../capture/trace-capture.ts';
import type { RegisteredDisk } from '../disks/disk-registry.ts';
import { identifyDevice, type TracedDevice } from '../trace/device.ts';
import { type Continuity, createWriteTrace, type WriteTraceSession } from '../trace/trace.ts';
import type { WriteSink } from '../trace/write-trace.ts';
import type { MachineCapture, OpenCaptureOptions, TraceSettings } from './machine-capture.ts';
import { createManifestSource } from './manifest-source.ts';

/** Bytes of changes a piece of a copy holds, and the part of the log's quota it may take at most. */
const PIECE_SIZE = 16 * 1024 * 1024;
const PIECES_IN_LOG = 4;
const BLOCK = 4096;

const DEAF: WriteSink = { issued: () => undefined, requeued: () => undefined, completed: () => undefined };

export const readBootId = (): string => fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim().replaceAll('-', '');

const openSession = (machineId: string, { bufferBytes, memoryDirectory }: TraceSettings): WriteTraceSession =>
  createWriteTrace({ machineId, bufferBytes, ...(memoryDirectory === undefined ? {} : { memoryDirectory }) });

/** Ends whatever tracing of the machine's disks an agent left behind. */
export const forgetTrace = (machineId: string, settings: TraceSettings): void => openSession(machineId, settings).destroy();

/** Lets go of what is known of a disk, so that it begins anew when it is attached. */
const forgetDisk = (session: WriteTraceSession, path: string): void => {
  try {
    session.detach(session.attach(identifyDevice(path), DEAF).index);
  } catch (reason) {
    if (!isHoldfastError(reason, 'DEVICE_NOT_TRACEABLE')) throw reason;
  }
};

/** Why a disk is scanned for sure; undefined: it is traced if it can be. */
const scanReason = (path: string, named: readonly string[]): string | undefined =>
  named.some((name) => name === path || (fs.existsSync(name) && fs.realpathSync(name) === fs.realpathSync(path)))
    ? 'the settings of the agent say so (disks.scan)'
    : undefined;

/** Captures whole disks by the kernel's trace of their writes; those that cannot be traced are read and compared. */
export const openTraceCapture = async (options: OpenCaptureOptions): Promise<MachineCapture> => {
  const { machineId, hrl, disks, policy, restart, trace, digests, pace, onWhole, wasCopied } = options;
  const session = openSession(machineId, trace);
  const manifest = createManifestSource(machineId, disks, hrl);
  const capture = createTraceCapture({
    machineId,
    session,
    hrl,
    bootId: readBootId(),
    manifest,
    digests,
    pace,
    onWhole,
    checkConflicts: trace.checkConflicts ?? true,
    pieceSize: Math.min(PIECE_SIZE, Math.floor(hrl.quotaBytes / PIECES_IN_LOG / BLOCK) * BLOCK),
    get codec() {
      return policy.codec;
    },
    get excludedDisks() {
      return policy.excludedDisks;
    },
  });
  const sources: OpenDiskSource[] = [];
  /** Why disks that were attached did not go on where they were. */
  const reasons = new Map<string, string>();
  const missing = new Map<string, HoldfastError>();
  const scanned = new Map<string, string>();

  const traceOrScan = async (disk: CaptureDisk): Promise<Continuity> => {
    const scan = (device: TracedDevice, why: string): Promise<Continuity> => {
      scanned.set(disk.id, why);
      return capture.attach({ ...disk, device: { ...device, scanned: `its writes are not traced (${why})` } });
    };
    const named = scanReason(disk.device.path, trace.scan ?? []);
    if (named !== undefined) return scan(disk.device, named);
    try {
      return await capture.attach(disk);
    } catch (reason) {
      if (!isHoldfastError(reason, 'DEVICE_NOT_TRACEABLE')) throw reason;
      return scan(disk.device, reason.why);
    }
  };

  const attach = async ({ id, path }: RegisteredDisk): Promise<void> => {
    let source: OpenDiskSource | undefined;
    try {
      const device = identifyDevice(path);
      source = openDiskSource(device, () => (trace.excludeOwnFiles === false ? [] : hrl.files()));
      const continuity = await traceOrScan({ id, device, source, wasCopied: wasCopied(id) });
      sources.push(source);
      missing.delete(id);
      const reason = restart.get(id) ?? (continuity.kind === 'lost' ? continuity.reason : undefined);
      if (reason !== undefined) reasons.set(id, reason);
    } catch (reason) {
      source?.close();
      const error = fromSystem(reason, path);
      if (error.code === 'CONTINUITY_LOST') throw error;
      missing.set(id, error);
    }
  };

  const close = async (): Promise<void> => {
    await capture.close();
    for (const source of sources) source.close();
    session.trace.close();
  };

  try {
    // Those that are scanned begin anew anyway.
    for (const { id, path } of disks) if (restart.has(id) && scanReason(path, trace.scan ?? []) === undefined) forgetDisk(session, path);
    for (const disk of disks) await attach(disk);
    session.detachOthers();
  } catch (reason) {
    await close();
    throw reason;
  }

  return {
    get resyncs() {
      return new Map(capture.resynchronizing.map((id) => [id, reasons.get(id) ?? 'not all writes to it are known']));
    },
    missing,
    scanned,
    failure: capture.failure,
    async retryMissing() {
      for (const disk of disks) if (missing.has(disk.id)) await attach(disk);
    },
    sample: (id, range) => capture.sample(id, range),
    copy: (how) => capture.copy(how),
    get canCut() {
      return missing.size === 0 && capture.canCut;
    },
    async cut(_, hold) {
      const proposal = await capture.propose(hold);
      return capture.publish(proposal, hold?.kind(proposal.held));
    },
    close,
  };
};
