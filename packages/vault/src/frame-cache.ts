import { createHash } from 'node:crypto';
import { mkdir, open, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { holdExclusively } from '@holdfast/block';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { type CachedPlace, CacheFile, scanCacheFile } from './cache-file.ts';

export interface FrameCacheOptions {
  /** Bytes on disk at most, 4 GiB unless told. */
  readonly bytes?: number;
}

/**
 * Sealed frames of vaults on a local disk, for views that read far away: as encrypted as they are in the store, and authenticated whenever they are used,
 * by the view. What is damaged here is read from the store again. Views that use it at the same time share it; it survives restarts.
 */
export interface FrameCache {
  /** A sealed frame, or undefined. */
  read(key: string): Promise<Uint8Array | undefined>;
  /** Keeps a sealed frame, soon; or doesn't, when the disk does not keep up. */
  keep(key: string, sealed: Uint8Array): void;
  /** What `read` gave was no good. */
  drop(key: string): void;
  /** Says that somebody uses it until the returned function is called. */
  use(): () => void;
  /** Resolves when nobody uses it any more and all is written. */
  close(): Promise<void>;
}

const DEFAULT_BYTES = 4 * 1024 ** 3;
/** The oldest of so many files is deleted when there is no more room. */
const FILES = 16;
/** Bytes that wait to be written at most. */
const WAITING = 16 * 1024 * 1024;

class FolderFrameCache implements FrameCache {
  readonly #directory: string;
  readonly #fileBytes: number;
  readonly #release: () => Promise<void>;
  /** Oldest first; the last one is written to. */
  readonly #files: CacheFile[];
  readonly #places: Map<string, CachedPlace>;
  #next: number;
  #waiting = 0;
  #writing: Promise<void> = Promise.resolve();
  #users = 0;
  #idle = Promise.withResolvers<void>();
  #isBroken = false;

  constructor(directory: string, bytes: number, release: () => Promise<void>, files: CacheFile[], places: Map<string, CachedPlace>) {
    this.#directory = directory;
    this.#fileBytes = Math.floor(bytes / FILES);
    this.#release = release;
    this.#files = files;
    this.#places = places;
    this.#next = (files.at(-1)?.number ?? 0) + 1;
  }

  async read(key: string): Promise<Uint8Array | undefined> {
    const place = this.#places.get(hashOf(key));
    // A file that was deleted meanwhile, or cannot be read: the store has it.
    return place === undefined ? undefined : place.file.read(place).catch(() => undefined);
  }

  keep(key: string, sealed: Uint8Array): void {
    const hash = hashOf(key);
    const isTooMuch = this.#waiting + sealed.length > WAITING || sealed.length > this.#fileBytes / 2;
    if (this.#isBroken || this.#places.has(hash) || isTooMuch) return;
    this.#waiting += sealed.length;
    this.#writing = this.#writing
      .then(() => this.#write(hash, sealed))
      // A full or broken disk: what is there may still be read.
      .catch(() => {
        this.#isBroken = true;
      })
      .finally(() => {
        this.#waiting -= sealed.length;
      });
  }

  drop(key: string): void {
    this.#places.delete(hashOf(key));
  }

  use(): () => void {
    this.#users += 1;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#users -= 1;
      if (this.#users === 0) this.#idle.resolve();
    };
  }

  async close(): Promise<void> {
    while (this.#users > 0) {
      this.#idle = Promise.withResolvers();
      await this.#idle.promise;
    }
    this.#isBroken = true;
    await this.#writing;
    this.#places.clear();
    for (const file of this.#files.splice(0)) await file.close();
    await this.#release();
  }

  async #write(hash: string, sealed: Uint8Array): Promise<void> {
    if (this.#places.has(hash)) return;
    const last = this.#files.at(-1);
    const file = last === undefined || last.size + sealed.length > this.#fileBytes ? await this.#begin() : last;
    this.#places.set(hash, await file.append(hash, sealed));
  }

  /** A new file; the oldest one goes first, so that there is never more than was allowed. */
  async #begin(): Promise<CacheFile> {
    while (this.#files.length >= FILES) {
      const oldest = this.#files.shift()!;
      for (const [hash, { file }] of this.#places) if (file === oldest) this.#places.delete(hash);
      await rm(oldest.path, { force: true });
      await oldest.close();
    }
    const number = this.#next;
    this.#next += 1;
    const file = new CacheFile(number, fileName(this.#directory, number), await open(fileName(this.#directory, number), 'wx+', 0o600), 0);
    this.#files.push(file);
    return file;
  }
}

const NAME = /^frames-(\d{8})$/;
const fileName = (directory: string, number: number): string => path.join(directory, `frames-${String(number).padStart(8, '0')}`);
const hashOf = (key: string): string => createHash('sha256').update(key).digest().toString('latin1', 0, 16);

/**
 * Opens a frame cache in a directory of its own, which is made when it is not there; what an earlier process kept in it is used. Errors: DEVICE_IN_USE
 * (another process has it), IO_FAILED, SETTING_INVALID.
 */
export const openFrameCache = async (directory: string, { bytes = DEFAULT_BYTES }: FrameCacheOptions = {}): Promise<FrameCache> => {
  if (!Number.isSafeInteger(bytes) || bytes < FILES * 1024 * 1024)
    throw new HoldfastError('SETTING_INVALID', {
      thing: `a frame cache of ${bytes} bytes`,
      why: `it has ${FILES} files of 1 MiB at least`,
      remedy: `choose ${FILES} MiB or more`,
    });
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const release = await holdExclusively(directory);
    try {
      const { files, places } = await scan(directory, Math.floor(bytes / FILES));
      return new FolderFrameCache(directory, bytes, release, files, places);
    } catch (reason) {
      await release();
      throw reason;
    }
  } catch (reason) {
    throw fromSystem(reason, directory);
  }
};

/** What is kept in a directory. Files that are too large, or too many, of a cache that was larger, go. */
const scan = async (directory: string, fileBytes: number): Promise<{ files: CacheFile[]; places: Map<string, CachedPlace> }> => {
  const files: CacheFile[] = [];
  const places = new Map<string, CachedPlace>();
  const numbers = (await readdir(directory)).flatMap((name) => NAME.exec(name)?.[1] ?? []).map(Number);
  const kept = numbers.sort((a, b) => a - b).slice(-FILES);
  for (const number of numbers) {
    const name = fileName(directory, number);
    const file = kept.includes(number) ? await scanCacheFile(number, name, fileBytes, places) : undefined;
    if (file === undefined) await rm(name, { force: true });
    else files.push(file);
  }
  return { files, places };
};
