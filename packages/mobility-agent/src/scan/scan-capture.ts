import { create } from '@bufbuild/protobuf';
import { BLOCK_SIZE, type CodecName, frameCrc } from '@holdfast/block';
import { isHoldfastError } from '@holdfast/errors';
import {
  type CutContent,
  CutSchema,
  type Epoch,
  EpochSchema,
  type Instant,
  InstantSchema,
  idBytes,
  idText,
  type Manifest,
  newId,
  type Point,
  PointKind,
  PointSchema,
} from '@holdfast/protocol';
import { advance } from '../capture/lineage.ts';
import { createFramePacker, type FramePacker } from '../frames/frame-packer.ts';
import type { Hrl, HrlCutWriter } from '../hrl/hrl.ts';
import { CHUNK_SPAN, type DigestFile } from './digest-file.ts';
import { createDigestStore } from './digest-store.ts';
import { type DiskScan, openDiskScan } from './disk-scan.ts';
import { type Member, readUntilStill, type ScanRun } from './read-until-still.ts';
import type { ScanSource } from './scan-source.ts';
import { scanWindows } from './scan-windows.ts';
import { type DiskWindow, readWindows } from './windows.ts';

/** A piece of a copy ends when its frames take so many bytes, unless told otherwise, */
const PIECE_SIZE = 16 * 1024 * 1024;
/** or when it covers so many bytes of the disk. */
const PIECE_SPAN = 256 * CHUNK_SPAN;

export interface ScanDisk {
  /** 32 hexadecimal digits, given once and kept for the disk's life. */
  readonly id: string;
  readonly source: ScanSource;
}

export interface ScanCaptureOptions {
  /** 32 hexadecimal digits. */
  readonly machineId: string;
  readonly hrl: Hrl;
  readonly disks: readonly ScanDisk[];
  /** An existing directory for the digests, 1/256 of the size of the disks. */
  readonly stateDirectory: string;
  /** What the machine is now; asked at every point. */
  manifest(): Promise<Manifest>;
  /** 32 hexadecimal digits, where the system has one. */
  readonly bootId?: string;
  readonly codec?: CodecName;
  /** Disks of the machine that a policy leaves out, by id. */
  readonly excludedDisks?: readonly string[];
  /** Bytes of frames after which a piece of a copy ends; the log should hold several. */
  readonly pieceSize?: number;
}

export interface ScanProgress {
  /** Bytes of all disks, and those read in this pass. */
  readonly total: number;
  readonly done: number;
  /** 1, then one more whenever something changed while it was read. */
  readonly pass: number;
}

export interface ScanResult {
  readonly content: CutContent;
  /** Undefined when blocks could not be read: the cut is no recovery point. */
  readonly pointId: string | undefined;
  readonly passes: number;
  readonly unreadableBytes: number;
}

/**
 * The capture without a tracker: reads all of a machine's disks and sends what differs from the time before. What changes while it is read
 * is read again: a cut holds the disks as they were, all of them, at one instant, or it is not made.
 */
export interface ScanCapture {
  /**
   * Makes a cut with a recovery point. The first copy of a disk is committed in pieces on the way; after an interruption it goes on where it
   * was. Errors: CAPTURE_NOT_CONVERGED (something kept changing), NO_SPACE (free the log, scan again), INTERRUPTED, DEVICE_CHANGED.
   */
  scan(options?: { readonly signal?: AbortSignal; onProgress?(progress: ScanProgress): void }): Promise<ScanResult>;
}

class DigestScanCapture implements ScanCapture {
  readonly #options: ScanCaptureOptions;

  constructor(options: ScanCaptureOptions) {
    this.#options = options;
  }

  async scan({ signal, onProgress }: Parameters<ScanCapture['scan']>[0] = {}): Promise<ScanResult> {
    const { disks: wanted, stateDirectory, hrl } = this.#options;
    const disks: DiskScan[] = [];
    try {
      const open = (disk: ScanDisk, restart?: string): Promise<DiskScan> =>
        openDiskScan(disk.id, disk.source, createDigestStore(stateDirectory, disk.id), hrl.heads().get(disk.id), restart);
      for (const disk of wanted) disks.push(await open(disk));
      const total = disks.reduce((sum, { device }) => sum + device.size, 0);
      const progress = { pass: 1, done: 0 };
      const onRead = (bytes: number): void => {
        progress.done = Math.min(total, progress.done + bytes);
        onProgress?.({ total, ...progress });
      };
      const run = { disks, signal, progress, onRead };
      await this.#copyOpen(run);
      const wasEmpty = hrl.committed().length === 0;
      try {
        return await this.#cut(run);
      } catch (reason) {
        const tooMuch = isHoldfastError(reason, 'NO_SPACE') && wasEmpty && disks.some(({ lineage }) => !lineage.open);
        if (!tooMuch) throw reason;
        // No epoch can hold that much: a new generation can, in pieces.
        for (const [index, disk] of disks.entries()) {
          if (disk.lineage.open) continue;
          await disk.close();
          disks[index] = await open(wanted[index]!, 'more had changed than the agent log holds at once');
        }
        progress.done = 0;
        await this.#copyOpen(run);
        return await this.#cut(run);
      }
    } finally {
      for (const disk of disks) await disk.close();
    }
  }

  /** Copies what open generations still lack, piece by piece. */
  async #copyOpen(run: ScanRun): Promise<void> {
    for (const disk of run.disks) {
      if (!disk.lineage.open) continue;
      run.onRead(disk.lineage.covered);
      const stamp = disk.lineage.covered === 0 ? disk.openedUnder : undefined;
      const windows = readWindows(disk.device, disk.lineage.covered, disk.device.size);
      try {
        while (disk.lineage.covered < disk.device.size) await this.#piece(run, disk, windows);
      } finally {
        await windows.return(undefined);
      }
      const isStill = stamp !== undefined && stamp === (await disk.source.stamp());
      disk.stamp = isStill ? stamp : undefined;
    }
  }

  async #piece({ signal, onRead }: ScanRun, disk: DiskScan, windows: AsyncIterator<DiskWindow, void>): Promise<void> {
    const { hrl, machineId, pieceSize = PIECE_SIZE } = this.#options;
    const { lineage, copy, base } = disk;
    const before = hrl.usedBytes;
    const writer = hrl.begin();
    try {
      const packer = this.#packer(writer, 0);
      const enough = (end: number): boolean => end > 0 && (hrl.usedBytes - before >= pieceSize || end - lineage.covered >= PIECE_SPAN);
      const { unreadable, end: covered } = await scanWindows({ windows, base, packer, target: copy!, enough, signal, onRead });
      const cutId = newId();
      const epoch = await this.#epoch(disk, packer, writer, 0, { cutId, instant: this.#now(), covered });
      copy!.writeHeader(headerOf(disk, { covered, open: true }));
      const generations = lineage.generation === undefined ? [] : [lineage.generation];
      writer.commit(create(CutSchema, { id: idBytes(cutId), machineId: idBytes(machineId), generations, epochs: [epoch] }));
      disk.unreadable += unreadable;
      disk.lineage = advance(lineage, { open: true, covered });
    } finally {
      writer.abandon();
    }
  }

  /** The cut that holds all disks as they are at one instant. */
  async #cut(run: ScanRun): Promise<ScanResult> {
    const { hrl, machineId } = this.#options;
    const writer = hrl.begin();
    const members: Member[] = run.disks.map((disk, index) => ({ disk, packer: this.#packer(writer, index), next: undefined }));
    try {
      const instant = await readUntilStill(run, members, () => this.#now());
      const cutId = newId();
      const epochs: Epoch[] = [];
      for (const [index, { disk, packer }] of members.entries()) {
        epochs.push(await this.#epoch(disk, packer, writer, index, { cutId, instant }));
      }
      const unreadable = members.reduce((sum, { disk }) => sum + disk.unreadable, 0);
      const manifest = await this.#options.manifest();
      const point = unreadable === 0 ? pointOf(cutId, instant, epochs, manifest, this.#options.excludedDisks ?? []) : undefined;
      for (const member of members) stateOf(member).writeHeader(headerOf(member.disk, { covered: member.disk.device.size, open: false }));
      const content = writer.commit(
        create(CutSchema, {
          id: idBytes(cutId),
          machineId: idBytes(machineId),
          generations: members.flatMap(({ disk }) => disk.lineage.generation ?? []),
          epochs,
          ...(point === undefined ? {} : { point }),
          ...(hrl.lastManifest?.id === idText(manifest.id) ? {} : { manifest }),
        }),
      );
      for (const member of members) member.disk.store.adopt(stateOf(member));
      const pointId = point === undefined ? undefined : idText(point.id);
      return { content, pointId, passes: run.progress.pass, unreadableBytes: unreadable * BLOCK_SIZE };
    } finally {
      writer.abandon();
      for (const { next } of members) next?.close();
    }
  }

  #packer(writer: HrlCutWriter, epochIndex: number): FramePacker {
    return createFramePacker({ codec: this.#options.codec ?? 'lz4', emit: (frame) => writer.append(epochIndex, frame, frameCrc(frame)) });
  }

  async #epoch(
    { lineage, device }: DiskScan,
    packer: FramePacker,
    writer: HrlCutWriter,
    index: number,
    { cutId, instant, covered }: { readonly cutId: string; readonly instant: Instant; readonly covered?: number },
  ): Promise<Epoch> {
    const counters = await packer.finish();
    return create(EpochSchema, {
      diskId: idBytes(lineage.diskId),
      generationId: idBytes(lineage.generationId),
      number: BigInt(lineage.next),
      cutId: idBytes(cutId),
      diskSize: BigInt(device.size),
      instant,
      open: covered !== undefined,
      coveredThrough: BigInt(covered ?? 0),
      dataBytes: BigInt(counters.dataBytes),
      zeroBytes: BigInt(counters.zeroBytes),
      unreadableBytes: BigInt(counters.unreadableBytes),
      storedBytes: BigInt(counters.storedBytes),
      incompressibleBytes: BigInt(counters.incompressibleBytes),
      frameCount: BigInt(counters.frames),
      contentDigest: writer.epochDigest(index),
    });
  }

  #now(): Instant {
    const { bootId } = this.#options;
    return create(InstantSchema, {
      unixNanos: BigInt(Date.now()) * 1_000_000n,
      monotonicNanos: process.hrtime.bigint(),
      bootId: bootId === undefined ? new Uint8Array() : idBytes(bootId),
    });
  }
}

/** The digests of the disk as the cut holds it. */
const stateOf = ({ disk, next }: Member): DigestFile => (next ?? disk.copy)!;

const headerOf = ({ lineage, device, copyBase }: DiskScan, state: { readonly covered: number; readonly open: boolean }) => ({
  diskId: lineage.diskId,
  generationId: lineage.generationId,
  number: lineage.next,
  base: copyBase,
  diskSize: device.size,
  ...state,
});

const pointOf = (cutId: string, instant: Instant, epochs: readonly Epoch[], manifest: Manifest, excluded: readonly string[]): Point =>
  create(PointSchema, {
    id: idBytes(newId()),
    cutId: idBytes(cutId),
    kind: PointKind.CRASH,
    instant,
    members: epochs.map(({ diskId, generationId, number }) => ({ diskId, epoch: { generationId, number } })),
    disksExcluded: excluded.map(idBytes),
    manifestId: manifest.id,
  });

/** A capture that finds changes by reading everything and comparing digests. */
export const createScanCapture = (options: ScanCaptureOptions): ScanCapture => new DigestScanCapture(options);
