import { closeSync, constants, fsyncSync, ftruncateSync, mkdirSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import path from 'node:path';
import { createRandom, type Random, randomBelow } from '../random.ts';
import { createChurnJournal } from './churn-journal.ts';
import { STAMP_SIZE, writeStamp } from './stamp.ts';

/** Blocks of all files of one disk together, at most. */
const ROOM = 20_480;
/** Files are created before anything else while there are fewer. */
const FEWEST_FILES = 24;
/** Blocks of the files it begins with. */
const FIRST_FILES = 10_240;
/** Blocks of one of the files it begins with. */
const FIRST_FILE = 256;
/** Blocks one step writes, at most. */
const LONGEST_WRITE = 16;
const DIRECTORIES = ['a', 'b', 'c'];

interface ChurnFile {
  readonly number: number;
  path: string;
  blocks: number;
  /** Written to since it was last synced. */
  unsynced: boolean;
}

export interface ChurnOptions {
  readonly mountPoint: string;
  readonly journal: string;
  readonly seed: number;
  /** Blocks of the files it begins with, for tests that need few. */
  readonly firstBlocks?: number;
}

/** File churn on one disk: creates, appends, overwrites, truncates, renames, deletes and syncs stamped files, for ever, in bounded room. */
export interface Churn {
  step(): void;
  close(): void;
}

export const churnDirectory = (mountPoint: string): string => path.join(mountPoint, 'churn');

/** The number of the file with this name, `17.4` (renamed for the fourth time), or undefined for a foreign name. */
export const churnFileNumber = (name: string): number | undefined => (/^\d+\.\d+$/.test(name) ? Number(name.split('.')[0]) : undefined);

class ChurnImpl implements Churn {
  readonly #root: string;
  readonly #random: Random;
  readonly #journal;
  readonly #files: ChurnFile[] = [];
  #blocks = 0;
  #created = 0;
  #steps = 0;

  constructor({ mountPoint, journal, seed, firstBlocks = FIRST_FILES }: ChurnOptions) {
    this.#root = churnDirectory(mountPoint);
    this.#random = createRandom(seed);
    this.#journal = createChurnJournal(journal);
    for (const directory of DIRECTORIES) mkdirSync(path.join(this.#root, directory), { recursive: true });
    while (this.#blocks < firstBlocks) this.#sync(this.#create(FIRST_FILE));
  }

  step(): void {
    this.#steps += 1;
    const file = this.#files[randomBelow(this.#random, this.#files.length)];
    const dice = this.#random();
    if (file === undefined || this.#files.length < FEWEST_FILES) this.#create();
    else if (this.#blocks > ROOM || dice < 0.08) this.#delete(file);
    else if (dice < 0.2) this.#create();
    else if (dice < 0.44) this.#write(file, file.blocks);
    else if (dice < 0.72) this.#overwrite(file);
    else if (dice < 0.86) this.#sync(file);
    else if (dice < 0.94) this.#rename(file);
    else this.#truncate(file);
  }

  close(): void {
    this.#journal.close();
  }

  #create(blocks = this.#someBlocks()): ChurnFile {
    const number = this.#created;
    this.#created += 1;
    const file = { number, path: this.#somewhere(`${number}.0`), blocks: 0, unsynced: false };
    this.#files.push(file);
    this.#write(file, 0, blocks);
    return file;
  }

  #someBlocks(): number {
    return 1 + randomBelow(this.#random, LONGEST_WRITE);
  }

  #somewhere(name: string): string {
    return path.join(this.#root, DIRECTORIES[randomBelow(this.#random, DIRECTORIES.length)]!, name);
  }

  /** Stamps a run of blocks from `first` on, behind the file's end too. */
  #write(file: ChurnFile, first: number, count = this.#someBlocks()): void {
    const time = process.hrtime.bigint();
    const bytes = Buffer.alloc(count * STAMP_SIZE);
    for (let index = 0; index < count; index += 1) {
      const block = bytes.subarray(index * STAMP_SIZE, (index + 1) * STAMP_SIZE);
      writeStamp({ file: file.number, block: first + index, sequence: this.#steps, time }, block);
    }
    this.#journal.add({ what: 'wrote', file: file.number, first, count, time });
    this.#withOpen(file, (descriptor) => writeSync(descriptor, bytes, 0, bytes.length, first * STAMP_SIZE));
    this.#blocks += Math.max(0, first + count - file.blocks);
    file.blocks = Math.max(file.blocks, first + count);
    file.unsynced = true;
  }

  #overwrite(file: ChurnFile): void {
    // Neither file system keeps a page still while it is written back: overwriting one that is under way may leave a mixture on the disk,
    // legally. Synced first, every mixture is a mistake.
    if (file.unsynced) this.#sync(file);
    this.#write(file, randomBelow(this.#random, Math.max(1, file.blocks)));
  }

  #sync(file: ChurnFile): void {
    this.#withOpen(file, fsyncSync);
    file.unsynced = false;
    this.#journal.add({ what: 'synced', file: file.number, time: process.hrtime.bigint() });
  }

  #rename(file: ChurnFile): void {
    const times = Number(path.basename(file.path).split('.')[1]) + 1;
    const to = this.#somewhere(`${file.number}.${times}`);
    renameSync(file.path, to);
    file.path = to;
  }

  #truncate(file: ChurnFile): void {
    const blocks = randomBelow(this.#random, file.blocks + 1);
    this.#journal.add({ what: 'cutting', file: file.number, blocks, time: process.hrtime.bigint() });
    this.#withOpen(file, (descriptor) => ftruncateSync(descriptor, blocks * STAMP_SIZE));
    this.#blocks -= file.blocks - blocks;
    file.blocks = blocks;
    file.unsynced = true;
  }

  #delete(file: ChurnFile): void {
    this.#journal.add({ what: 'dropping', file: file.number, time: process.hrtime.bigint() });
    unlinkSync(file.path);
    this.#files.splice(this.#files.indexOf(file), 1);
    this.#blocks -= file.blocks;
  }

  #withOpen(file: ChurnFile, use: (descriptor: number) => void): void {
    const descriptor = openSync(file.path, constants.O_RDWR | constants.O_CREAT);
    try {
      use(descriptor);
    } finally {
      closeSync(descriptor);
    }
  }
}

export const createChurn = (options: ChurnOptions): Churn => new ChurnImpl(options);
