import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { create } from '@bufbuild/protobuf';
import { BLOCK_SIZE, type BlockDevice, createMemoryDevice } from '@holdfast/block';
import { HoldfastError } from '@holdfast/errors';
import { idBytes, idText, ManifestSchema, newId } from '@holdfast/protocol';
import type { Hrl, HrlCutWriter } from '../../hrl/hrl.ts';
import { loadHrl } from '../../hrl/load-hrl.ts';
import { createMemoryDisk } from '../../hrl/testing/memory-disk.ts';
import { createScanCapture, type ScanProgress, type ScanResult } from '../scan-capture.ts';
import type { ScanSource } from '../scan-source.ts';
import { createReceiver } from './receiver.ts';

const MIB = 1024 * 1024;
export const MACHINE = '5ca9'.repeat(8);

/** An image in memory that can change while it is read, and of which blocks may be unreadable. */
export class TestImage {
  content: Buffer;
  version = 0;
  bytesRead = 0;
  readonly unreadable = new Set<number>();
  /** Called before each read. */
  beforeRead: (offset: number) => void = () => undefined;
  /** Called once a snapshot is made; undefined: none can be made. */
  onSnapshot: (() => void) | undefined;

  constructor(size: number) {
    this.content = Buffer.alloc(size);
  }

  write(offset: number, data: Uint8Array): void {
    this.content.set(data, offset);
    this.version += 1;
  }

  source(): ScanSource {
    return {
      name: 'test image',
      stamp: async () => `${this.version}`,
      snapshot: async () => {
        if (this.onSnapshot === undefined) return undefined;
        const device = createMemoryDevice(this.content.length);
        await device.write(0, this.content);
        this.onSnapshot();
        return device;
      },
      open: async () => {
        const device = createMemoryDevice(this.content.length);
        const read: BlockDevice['read'] = async (offset, target) => {
          this.beforeRead(offset);
          for (let block = offset / BLOCK_SIZE; block * BLOCK_SIZE < offset + target.length; block += 1) {
            if (this.unreadable.has(block)) throw new HoldfastError('IO_FAILED', { thing: 'test image', why: 'EIO', remedy: 'none' });
          }
          target.set(this.content.subarray(offset, offset + target.length));
          this.bytesRead += target.length;
        };
        const allocated: BlockDevice['allocated'] = async (offset, length) => [{ offset, length }];
        return { ...device, size: this.content.length, read, allocated, close: () => device.close() };
      },
    };
  }
}

/** A process that dies at a commit, before it or right after. */
export class Killed extends Error {}

export interface Kill {
  /** Which commit of the scan, from 0. */
  readonly commit: number;
  readonly when: 'before' | 'after';
}

/** Images, a log and a receiver behind it. */
export class ScanRig {
  readonly stateDirectory = fs.mkdtempSync(path.join(fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir(), 'scan-'));
  readonly receiver = createReceiver();
  readonly images: readonly TestImage[];
  readonly #ids: readonly string[];
  readonly #disk = createMemoryDisk();
  readonly #quotaBytes: number;
  #boot = 1;
  hrl: Hrl;

  constructor(images: readonly TestImage[], quotaBytes = 64 * MIB) {
    this.images = images;
    this.#ids = images.map(() => newId());
    this.#quotaBytes = quotaBytes;
    this.hrl = this.#openLog();
  }

  /** Everything committed goes to the receiver and is freed. */
  async drain(): Promise<void> {
    for (const content of this.hrl.committed()) {
      await this.receiver.receive(content);
      this.hrl.free(idText(content.cut.id));
    }
  }

  /** The process ends and another begins, after a restart of the machine if so told. */
  restart({ machine = false } = {}): void {
    if (machine) this.#boot += 1;
    this.hrl = this.#openLog();
  }

  scan(
    options: { readonly kill?: Kill | undefined; readonly signal?: AbortSignal; onProgress?(progress: ScanProgress): void } = {},
  ): Promise<ScanResult> {
    const capture = createScanCapture({
      machineId: MACHINE,
      hrl: options.kill === undefined ? this.hrl : killing(this.hrl, options.kill),
      disks: this.images.map((image, index) => ({ id: this.#ids[index]!, source: image.source() })),
      stateDirectory: this.stateDirectory,
      manifest: async () => create(ManifestSchema, { id: idBytes('7a'.repeat(16)) }),
      // Every chunk makes a piece.
      pieceSize: 0,
    });
    return capture.scan(options);
  }

  /** The disks at the point of a cut, as the receiver has them. */
  received({ content }: ScanResult): Buffer[] {
    return content.cut.epochs.map(({ generationId, number }) =>
      this.receiver.state({ $typeName: 'holdfast.v1.EpochRef', generationId, number }),
    );
  }

  /** Files of digests, for damaging them. */
  digestFiles(): string[] {
    return fs.readdirSync(this.stateDirectory).map((name) => path.join(this.stateDirectory, name));
  }

  dispose(): void {
    fs.rmSync(this.stateDirectory, { recursive: true });
  }

  #openLog(): Hrl {
    return loadHrl({
      machineId: MACHINE,
      cold: { directory: this.#disk.directory('/log'), limit: this.#quotaBytes },
      hot: undefined,
      segmentBytes: MIB,
      bootId: String(this.#boot).padStart(32, '0'),
    });
  }
}

const killing = (hrl: Hrl, kill: Kill): Hrl => {
  let commits = 0;
  const wrap = (writer: HrlCutWriter): HrlCutWriter => ({
    append: (index, frame) => writer.append(index, frame),
    epochDigest: (index) => writer.epochDigest(index),
    abandon: () => writer.abandon(),
    commit: (cut) => {
      const dies = commits === kill.commit;
      commits += 1;
      if (dies && kill.when === 'before') throw new Killed();
      const content = writer.commit(cut);
      if (dies) throw new Killed();
      return content;
    },
  });
  return new Proxy(hrl, {
    get: (target, name) => {
      if (name === 'begin') return () => wrap(target.begin());
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
};
