import { BLOCK_SIZE, type BlockDevice, DIGEST_SIZE } from '@holdfast/block';
import { type Lineage, resumeLineage } from '../capture/lineage.ts';
import type { HrlHead } from '../hrl/hrl.ts';
import { type Base, CHUNK_SPAN, type DigestFile, ZERO_DIGEST } from './digest-file.ts';
import type { DigestStore, FoundDigests } from './digest-store.ts';
import type { ScanSource } from './scan-source.ts';
import type { BaseDigests } from './scan-windows.ts';

/** One disk during one scan: where it stands in its history, and what is known of what the receiver holds. */
export interface DiskScan {
  readonly id: string;
  readonly source: ScanSource;
  readonly device: BlockDevice;
  /** The stamp from just before it was opened. */
  readonly openedUnder: string | undefined;
  readonly store: DigestStore;
  lineage: Lineage;
  /** While the generation is open: what its pieces have covered so far. */
  copy: DigestFile | undefined;
  /** What the digests in `copy` are differences from. */
  copyBase: Base;
  /** What the next epoch is a difference from, behind what `copy` covers. */
  base: BaseDigests;
  /** The stamp under which all of the disk was read, as committed so far; undefined when it was not read as a whole. */
  stamp: string | undefined;
  /** Blocks of it that could not be read. */
  unreadable: number;
  /** May be called again. */
  close(): Promise<void>;
}

const ZERO_CHUNK = new Uint8Array((CHUNK_SPAN / BLOCK_SIZE) * DIGEST_SIZE).fill(ZERO_DIGEST);

/** Opens a disk for a scan. With `restart` its generation ends for that reason. */
export const openDiskScan = async (
  id: string,
  source: ScanSource,
  store: DigestStore,
  head: HrlHead | undefined,
  restart?: string,
): Promise<DiskScan> => {
  const openedUnder = await source.stamp();
  const device = await source.open();
  const files: DigestFile[] = [];
  let closed = false;
  const close = async (): Promise<void> => {
    if (closed) return;
    closed = true;
    for (const file of files) file.close();
    await device.close();
  };
  const keep = (found: FoundDigests | undefined): FoundDigests | undefined => {
    if (found !== undefined) files.push(found.file);
    return found;
  };
  try {
    const grew =
      head !== undefined && device.size > head.diskSize ? `the disk grew from ${head.diskSize} to ${device.size} bytes` : undefined;
    const reason = restart ?? grew;
    const lineage = resumeLineage(id, device.size, head, reason === undefined ? { kind: 'continuous' } : { kind: 'lost', reason });
    const found = keep(store.load(head));
    const known = (state: FoundDigests | undefined): BaseDigests => digestsOf(state?.file, state?.header.diskSize ?? 0, device.size);
    const scan = { id, source, device, openedUnder, store, lineage, stamp: undefined, unreadable: 0, close };
    if (!lineage.open) return { ...scan, copy: undefined, copyBase: 'unknown', base: known(found) };
    if (lineage.generation === undefined && found !== undefined) {
      const { base: copyBase } = found.header;
      const parent = typeof copyBase === 'string' ? undefined : keep(store.loadState(copyBase));
      return { ...scan, copy: found.file, copyBase, base: copyBase === 'zeroes' ? () => ZERO_CHUNK : known(parent) };
    }
    const copy = store.createCopy();
    files.push(copy);
    if (lineage.generation === undefined) return { ...scan, copy, copyBase: 'unknown', base: () => undefined };
    if (lineage.base === undefined) return { ...scan, copy, copyBase: 'zeroes', base: () => ZERO_CHUNK };
    // What an open generation has so far is no state: the new one builds on the state before it.
    const state = head?.open === true ? keep(store.loadState(lineage.base)) : found;
    return { ...scan, copy, copyBase: state === undefined ? 'unknown' : lineage.base, base: known(state) };
  } catch (reason) {
    await close();
    throw reason;
  }
};

/** The digests in a file about a disk that had `size` bytes; it has `sizeNow`. */
export const digestsOf =
  (file: DigestFile | undefined, size: number, sizeNow: number): BaseDigests =>
  (chunk) =>
    size !== sizeNow && (chunk + 1) * CHUNK_SPAN > size ? undefined : file?.readChunk(chunk);
