import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { create } from '@bufbuild/protobuf';
import { BLOCK_SIZE, openFrame, parseFrame } from '@holdfast/block';
import { isHoldfastError } from '@holdfast/errors';
import { type CutContent, idBytes, ManifestSchema, newId } from '@holdfast/protocol';
import { planSnapshotHold } from '../../consistency/plan-hold.ts';
import { WATCHDOG_COMMAND } from '../../hold/testing/watchdog-command.ts';
import { openHrl } from '../../hrl/open-hrl.ts';
import { identifyDevice } from '../../trace/device.ts';
import { createWriteTrace, type WriteTraceSession } from '../../trace/trace.ts';
import type { WriteSink } from '../../trace/write-trace.ts';
import { type OpenDiskSource, openDiskSource } from '../open-disk-source.ts';
import { BUSY } from '../silence.ts';
import { createTraceCapture } from '../trace-capture.ts';
import { BLOCKS_PER_WRITER, judge } from './prefix-workload.ts';
import { withChanges } from './with-changes.ts';

const WRITERS = 2;
/** Bytes the writers need of each disk. */
export const PREFIX_DISK_SIZE = WRITERS * BLOCKS_PER_WRITER * BLOCK_SIZE;

export interface PrefixOutcome {
  readonly points: number;
  /** Made by all writers before the last point. */
  readonly writes: number;
  /** Why points are not what the machine was. */
  readonly wrong: readonly string[];
  /** Cuts that did not converge. */
  readonly skipped: number;
  /** Points that were read out of a snapshot; and why one could not be. */
  readonly snapshots: number;
  readonly problems: readonly string[];
  /** How often writes were no longer told of as they are issued. */
  readonly silences: number;
}

export interface PrefixOptions {
  /** Whole disks full of zeroes; they are overwritten. */
  readonly paths: readonly string[];
  readonly milliseconds: number;
  /** Between two writes of a writer. */
  readonly pauseMicroseconds: number;
  readonly checkConflicts?: boolean;
  /** Blocks of a write, one unless told. */
  readonly span?: number;
  /** Takes what ends of writes to disks without requests for all that was written. Only for showing that it is not. */
  readonly trustEnds?: boolean;
  /** The disk is a volume of LVM: what one round does not give is read out of a snapshot. */
  readonly snapshots?: boolean;
  /** See `TraceCaptureOptions`. */
  readonly busyFrom?: number;
}

/** From sources, or compiled beside what was compiled. */
const WRITER = fileURLToPath(new URL(`./prefix-writer${extname(import.meta.url)}`, import.meta.url));

const apply = async (content: CutContent, images: ReadonlyMap<string, Buffer>): Promise<void> => {
  for (const [index, epoch] of content.cut.epochs.entries()) {
    const image = images.get(Buffer.from(epoch.diskId).toString('hex'))!;
    for await (const bytes of content.frames(index)) {
      const frame = parseFrame(bytes);
      const data = Buffer.from(await openFrame(frame));
      let at = 0;
      for (const { offset, length, kind } of frame.extents) {
        if (kind === 'zero') image.fill(0, offset, offset + length);
        if (kind !== 'data') continue;
        data.copy(image, offset, at, at + length);
        at += length;
      }
    }
  }
};

/** The trace as whoever looks at ends only would see it. */
const withEndsTrusted = (session: WriteTraceSession): WriteTraceSession => {
  const naive = (sink: WriteSink): WriteSink => ({
    issued: (...event) => sink.issued(...event),
    requeued: (...event) => sink.requeued(...event),
    completed: (...event) => sink.completed(...event),
    ended: (...event) => sink.completed(...event),
  });
  const { trace } = session;
  return withChanges(session, {
    trace: withChanges(trace, { drain: (sink) => trace.drain(naive(sink)), verify: (sink) => trace.verify(naive(sink)) }),
  });
};

const withSilencesCounted = (session: WriteTraceSession, count: () => void): WriteTraceSession => {
  const { trace } = session;
  const tellIssues = (told: boolean): void => {
    if (!told) count();
    trace.tellIssues(told);
  };
  return withChanges(session, { trace: withChanges(trace, { tellIssues }) });
};

/** Protects the disks under two writers, cuts points for a while, and judges every one of them. */
export const runExactPrefix = async ({
  paths,
  milliseconds,
  pauseMicroseconds,
  checkConflicts = true,
  span = 1,
  trustEnds = false,
  snapshots = false,
  busyFrom = BUSY,
}: PrefixOptions): Promise<PrefixOutcome> => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-prefix-'));
  const writers: ChildProcess[] = [];
  const sources: OpenDiskSource[] = [];
  const machineId = newId();
  const session = createWriteTrace({ machineId, bufferBytes: 16 * 1024 * 1024 });
  const hrl = await openHrl({ machineId, directory: join(folder, 'hrl'), quotaBytes: 64 * 1024 * 1024, segmentBytes: 16 * 1024 * 1024 });
  const manifest = create(ManifestSchema, { id: idBytes(newId()), machineId: idBytes(machineId) });
  let silences = 0;
  const capture = createTraceCapture({
    machineId,
    session: trustEnds ? withEndsTrusted(session) : withSilencesCounted(session, () => (silences += 1)),
    hrl,
    bootId: newId(),
    manifest: async () => manifest,
    checkConflicts,
    busyFrom,
    limits: snapshots ? { rounds: 1, milliseconds: 0 } : { rounds: 40, milliseconds: 1000 },
  });
  try {
    const acknowledged = join(folder, 'acknowledged');
    writeFileSync(acknowledged, Buffer.alloc(8 * WRITERS));
    const read = (): number[] =>
      Array.from({ length: WRITERS }, (_, writer) => Number(readFileSync(acknowledged).readBigUInt64LE(writer * 8)));
    for (let writer = 0; writer < WRITERS; writer += 1) {
      const args = ['--conditions=@holdfast/source', WRITER, `${writer}`, acknowledged, `${pauseMicroseconds}`, `${span}`, ...paths];
      writers.push(spawn(process.execPath, args, { stdio: ['pipe', 'inherit', 'inherit'] }));
    }
    const images = new Map<string, Buffer>();
    for (const path of paths) {
      const id = newId();
      const device = identifyDevice(path);
      images.set(id, Buffer.alloc(device.size));
      const source = openDiskSource(device);
      sources.push(source);
      await capture.attach({ id, device, source });
    }
    await capture.copy();
    let points = 0;
    let writes = 0;
    let skipped = 0;
    const wrong: string[] = [];
    let outOfSnapshots = 0;
    const problems: string[] = [];
    const places = {
      machineId,
      watchdog: WATCHDOG_COMMAND,
      scripts: folder,
      scriptLimit: 1000,
      log: `/dev/shm/holdfast-${machineId}`,
      kept: [],
    };
    const end = Date.now() + milliseconds;
    while (Date.now() < end) {
      const before = read();
      const hold = snapshots ? planSnapshotHold(paths, places) : undefined;
      const proposal = await capture.propose(hold).catch((reason: unknown) => {
        if (isHoldfastError(reason, 'CAPTURE_NOT_CONVERGED')) return undefined;
        throw reason;
      });
      if (hold?.problem !== undefined) problems.push(hold.problem.message);
      // Without a snapshot a further round may still converge.
      else if (hold?.report !== undefined && proposal !== undefined) outOfSnapshots += 1;
      if (proposal === undefined) skipped += 1;
      else await capture.publish(proposal);
      for (const content of [...hrl.committed()]) {
        await apply(content, images);
        hrl.free(Buffer.from(content.cut.id).toString('hex'));
      }
      if (proposal === undefined) continue;
      points += 1;
      writes = before.reduce((sum, one) => sum + one, 0);
      const verdict = judge([...images.values()], WRITERS, before, span);
      if ('wrong' in verdict) wrong.push(verdict.wrong);
    }
    return { points, writes, wrong, skipped, snapshots: outOfSnapshots, problems, silences };
  } finally {
    for (const writer of writers) writer.kill();
    await Promise.all(
      writers.map(
        (writer) =>
          new Promise((resolve) =>
            writer.exitCode === null && writer.signalCode === null ? writer.once('exit', resolve) : resolve(undefined),
          ),
      ),
    );
    await capture.close();
    for (const source of sources) source.close();
    session.destroy();
    await hrl.close();
    rmSync(folder, { recursive: true });
  }
};
