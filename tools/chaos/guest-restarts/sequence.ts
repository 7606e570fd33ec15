/*
 * One writer, one write after the other, by turns on all disks: what the machine holds at any instant is the state after exactly N writes. The
 * guest runs this file alone: it imports nothing.
 */

export const BLOCK = 4096;
/** Blocks of each disk that are written to, from its beginning. */
export const BLOCKS = 128;
const SECTOR = 512;
const STAMP = 16;

export interface Place {
  readonly disk: number;
  readonly block: number;
}

/** The places of write 1, 2, 3, … */
export function* placesOf(disks: number): Generator<Place, never> {
  let state = 2_654_435_761;
  for (;;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield { disk: (state >>> 28) % disks, block: (state >>> 12) % BLOCKS };
  }
}

/** Fills a block with the stamp of write `sequence`: every 16 bytes carry it. */
export const stampBlock = (target: Buffer, sequence: number): void => {
  for (let at = 0; at < target.length; at += STAMP) {
    target.writeUInt32LE(sequence, at);
    target.writeUInt32LE(~sequence >>> 0, at + 4);
    target.writeUInt32LE(at, at + 8);
    target.writeUInt32LE(0x464c_4448, at + 12);
  }
};

/** The newest write of which anything is there. */
export const newestIn = (disks: readonly Buffer[]): number => {
  let newest = 0;
  for (const disk of disks) for (let at = 0; at < BLOCKS * BLOCK; at += SECTOR) newest = Math.max(newest, disk.readUInt32LE(at));
  return newest;
};

/** The write whose stamp each block of each disk carries after `count` writes; 0 where none was made. */
const lastWrites = (disks: number, count: number): Uint32Array[] => {
  const last = Array.from({ length: disks }, () => new Uint32Array(BLOCKS));
  let sequence = 0;
  for (const { disk, block } of placesOf(disks)) {
    if (sequence === count) break;
    sequence += 1;
    last[disk]![block] = sequence;
  }
  return last;
};

export type SequenceVerdict = { readonly writes: number } | { readonly wrong: string };

/** How many writes the disks hold, or why they are the state after no number of writes. */
export const judgeDisks = (disks: readonly Buffer[]): SequenceVerdict => {
  const writes = newestIn(disks);
  const last = lastWrites(disks.length, writes);
  const expected = Buffer.alloc(BLOCK);
  for (const [disk, image] of disks.entries()) {
    for (let block = 0; block < BLOCKS; block += 1) {
      const wanted = last[disk]![block]!;
      if (wanted === 0) expected.fill(0);
      else stampBlock(expected, wanted);
      const at = block * BLOCK;
      if (image.compare(expected, 0, BLOCK, at, at + BLOCK) !== 0)
        return { wrong: `block ${block} of disk ${disk} holds write ${image.readUInt32LE(at)}, ${wanted} of ${writes} is the last to it` };
    }
  }
  return { writes };
};

/** What the writer said: at this time (nanoseconds since 1970) so many writes were acknowledged, and one more may have begun. */
export interface Spoken {
  readonly time: bigint;
  readonly acknowledged: number;
}

/** Lines "TIME COUNT". A last one that a power cut left unfinished is passed over. */
export const parseSpoken = (text: string): Spoken[] =>
  text
    .split('\n')
    .slice(0, -1)
    .flatMap((line) => {
      const [, time, count] = /^(\d+) (\d+)$/.exec(line) ?? [];
      return time === undefined ? [] : [{ time: BigInt(time), acknowledged: Number(count) }];
    });

/** Why so many writes cannot be all that was made by then; undefined when they can. `slack`: nanoseconds by which clocks are rounded. */
export const contradiction = (writes: number, time: bigint, spoken: readonly Spoken[], slack: bigint): string | undefined => {
  const before = spoken.findLast((one) => one.time + slack <= time);
  if (before !== undefined && writes < before.acknowledged)
    return `${writes} writes, but ${before.acknowledged} were acknowledged before it`;
  const after = spoken.find((one) => one.time - slack >= time);
  if (after !== undefined && writes > after.acknowledged + 1) return `${writes} writes, but only ${after.acknowledged} were made after it`;
  return undefined;
};
