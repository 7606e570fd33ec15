import fs from 'node:fs';
import path from 'node:path';
import { fromSystem } from '@holdfast/errors';
import type { HrlHead } from '../hrl/hrl.ts';
import { createDigestFile, type DigestFile, type DigestHeader, type EpochId, openDigestFile } from './digest-file.ts';

/** A digest file and the header of the epoch that was asked for. */
export interface FoundDigests {
  readonly file: DigestFile;
  readonly header: DigestHeader;
}

/**
 * The digest files of one disk. `state`: what it holds after a closed epoch. `copy`: what an open generation has so far. `next`: being
 * written. A file counts when its header names the newest committed epoch, so that a process may die between writing it and the commit.
 */
export interface DigestStore {
  /** The digests after the newest committed epoch; undefined when they are not there. Forgets all files of other epochs but its base. */
  load(head: HrlHead | undefined): FoundDigests | undefined;
  /** The state after a closed epoch, if it is there. */
  loadState(epoch: EpochId): FoundDigests | undefined;
  /** A new file for an open generation. */
  createCopy(): DigestFile;
  /** A new file to be made the state. */
  createNext(): DigestFile;
  /** The file is the state from now on. */
  adopt(file: DigestFile): void;
}

const NAMES = { state: 'state', copy: 'copy', next: 'next' } as const;

class FolderDigestStore implements DigestStore {
  readonly #directory: string;
  readonly #diskId: string;

  constructor(directory: string, diskId: string) {
    this.#directory = directory;
    this.#diskId = diskId;
  }

  load(head: HrlHead | undefined): FoundDigests | undefined {
    if (head === undefined) return undefined;
    for (const name of Object.values(NAMES)) {
      const file = openDigestFile(this.#path(name));
      const header = file?.headers.find((one) => this.#isOf(one, head) && one.open === head.open && one.diskSize === head.diskSize);
      if (file !== undefined && header !== undefined && (!head.open || header.covered === head.coveredThrough)) {
        if (!head.open) this.adopt(file);
        return { file, header };
      }
      file?.close();
    }
    return undefined;
  }

  loadState(epoch: EpochId): FoundDigests | undefined {
    const file = openDigestFile(this.#path(NAMES.state));
    const header = file?.headers.find((one) => this.#isOf(one, epoch) && !one.open);
    if (file !== undefined && header !== undefined) return { file, header };
    file?.close();
    return undefined;
  }

  createCopy(): DigestFile {
    return createDigestFile(this.#path(NAMES.copy));
  }

  createNext(): DigestFile {
    return createDigestFile(this.#path(NAMES.next));
  }

  adopt(file: DigestFile): void {
    try {
      if (file.path !== this.#path(NAMES.state)) fs.renameSync(file.path, this.#path(NAMES.state));
      for (const name of [NAMES.copy, NAMES.next]) fs.rmSync(this.#path(name), { force: true });
    } catch (reason) {
      throw fromSystem(reason, this.#directory);
    }
  }

  #isOf(header: DigestHeader, { generationId, number }: EpochId): boolean {
    return header.diskId === this.#diskId && header.generationId === generationId && header.number === number;
  }

  #path(name: string): string {
    return path.join(this.#directory, `${this.#diskId}.${name}.digests`);
  }
}

/** The digest files of a disk in a directory, which must exist. */
export const createDigestStore = (directory: string, diskId: string): DigestStore => new FolderDigestStore(directory, diskId);
