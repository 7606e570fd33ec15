import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import path from 'node:path';
import type { UnderWay } from './write-trace.ts';

/*
 * A request holds a tag from before it is issued until after its end was told of, and debugfs shows which tags are held: `tags_bitmap` of each hardware queue
 * (block/blk-mq-debugfs.c, lib/sbitmap.c). So whatever was under way at one instant is over once each tag that was held then has been seen
 * free, which is soon seen of a disk that always has something under way too. What the driver has put back holds none; that is told of.
 */

const DEBUGFS = '/sys/kernel/debug/block';
/** Bytes of the text of a bitmap: the kernel has 10,240 tags a queue at most. */
const LONGEST = 8192;
const TEXT = Buffer.alloc(LONGEST);

interface Queue {
  readonly file: number;
  /** Tags held at the beginning and in every look since. */
  held: Uint8Array;
}

/** The bits of a bitmap as the kernel prints it: lines of an offset and bytes in hexadecimal. Undefined when it is none. */
export const bitsOf = (text: string): Uint8Array | undefined => {
  if (!/^(?:[0-9a-f]{8}:(?: (?:[0-9a-f]{2}){1,2})+\n)+$/.test(text)) return undefined;
  return Buffer.from(text.replaceAll(/^[0-9a-f]{8}:|\s/gm, ''), 'hex');
};

const readBits = (file: number): Uint8Array => {
  const length = readSync(file, TEXT, 0, LONGEST, 0);
  const bits = length === LONGEST ? undefined : bitsOf(TEXT.toString('latin1', 0, length));
  if (bits === undefined) throw new Error('this is no bitmap of tags');
  return bits;
};

const isHeld = ({ held }: Queue): boolean => held.some((byte) => byte !== 0);

class Held implements UnderWay {
  readonly #files: number[] = [];
  /** Those with tags that were not seen free; undefined when nobody can know. */
  #queues: Queue[] | undefined;

  constructor(folder: string) {
    this.#queues = this.#unlessUnknown(() => {
      const names = readdirSync(folder).filter((name) => /^hctx\d+$/.test(name));
      for (const name of names) this.#files.push(openSync(path.join(folder, name, 'tags_bitmap'), 'r'));
      return names.length === 0 ? undefined : this.#files.map((file) => ({ file, held: readBits(file) })).filter(isHeld);
    });
  }

  isOver(): boolean {
    this.#queues = this.#unlessUnknown(() => this.#queues?.filter((queue) => this.#isStillHeld(queue)));
    if (this.#queues?.length !== 0) return false;
    this.close();
    return true;
  }

  close(): void {
    for (const file of this.#files.splice(0)) closeSync(file);
  }

  #isStillHeld(queue: Queue): boolean {
    const now = readBits(queue.file);
    // Whoever changes the depth of a queue waits until it is empty; but that was not seen here.
    if (now.length !== queue.held.length) throw new Error('the queue has another depth');
    queue.held = queue.held.map((byte, at) => byte & now[at]!);
    return isHeld(queue);
  }

  /** No debugfs, no such disk any more, queues made anew: then nothing is told. */
  #unlessUnknown<T>(look: () => T): T | undefined {
    try {
      return look();
    } catch {
      this.close();
      return undefined;
    }
  }
}

/** Begins to wait for the requests of a disk that are under way now; `disk` is the kernel's name (`sda`). */
export const watchHeldTags = (disk: string, debugfs = DEBUGFS): UnderWay => new Held(path.join(debugfs, disk));
