import { BLOCK_SIZE } from '@holdfast/block';

/*
 * The workload of the exact prefix oracle: each writer writes a sequence of whole blocks that follows from its number alone, over all disks,
 * one write after the other. So the state after N writes is known, and a legal image of the machine holds, of every writer, the state after
 * exactly N of its writes, with N at least what was acknowledged before the cut.
 */

/** Blocks of each disk that one writer has for itself. */
export const BLOCKS_PER_WRITER = 256;

export interface PrefixWrite {
  readonly disk: number;
  /** The first of those it writes. */
  readonly block: number;
}

/** Endless; each writes `span` blocks. */
export function* writesOf(writer: number, disks: number, span: number): Generator<PrefixWrite> {
  let state = (writer + 1) * 2_654_435_761;
  for (;;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield { disk: (state >>> 28) % disks, block: writer * BLOCKS_PER_WRITER + ((state >>> 12) % (BLOCKS_PER_WRITER - span + 1)) };
  }
}

/** Fills blocks with the stamp of write `sequence`, counted from 1, of `writer`; every 16 bytes carry it. */
export const stamp = (target: Buffer, writer: number, sequence: number): void => {
  for (let at = 0; at < target.length; at += 16) {
    target.writeUInt32LE(writer + 1, at);
    target.writeUInt32LE(sequence, at + 4);
    target.writeUInt32LE(~sequence >>> 0, at + 8);
    target.writeUInt32LE(at % BLOCK_SIZE, at + 12);
  }
};

export type PrefixVerdict = { readonly writes: readonly number[] } | { readonly wrong: string };

/** Which prefix of every writer's writes the disks hold; or why it is none. */
export const judge = (disks: readonly Uint8Array[], writers: number, acknowledged: readonly number[], span: number): PrefixVerdict => {
  const expected = Buffer.alloc(BLOCK_SIZE);
  const writes: number[] = [];
  for (let writer = 0; writer < writers; writer += 1) {
    const found = disks.map((disk) =>
      Buffer.from(disk.buffer, disk.byteOffset + writer * BLOCKS_PER_WRITER * BLOCK_SIZE, BLOCKS_PER_WRITER * BLOCK_SIZE),
    );
    let newest = 0;
    for (const area of found) for (let at = 0; at < area.length; at += BLOCK_SIZE) newest = Math.max(newest, area.readUInt32LE(at + 4));
    if (newest < acknowledged[writer]!)
      return { wrong: `writer ${writer} has ${newest} writes in it, ${acknowledged[writer]} were acknowledged` };
    const last = disks.map(() => new Uint32Array(BLOCKS_PER_WRITER));
    let sequence = 0;
    for (const { disk, block } of writesOf(writer, disks.length, span)) {
      if (sequence === newest) break;
      sequence += 1;
      const first = block - writer * BLOCKS_PER_WRITER;
      last[disk]!.fill(sequence, first, first + span);
    }
    for (const [disk, area] of found.entries()) {
      for (let block = 0; block < BLOCKS_PER_WRITER; block += 1) {
        const wanted = last[disk]![block]!;
        if (wanted === 0) expected.fill(0);
        else stamp(expected, writer, wanted);
        if (area.compare(expected, 0, BLOCK_SIZE, block * BLOCK_SIZE, (block + 1) * BLOCK_SIZE) !== 0) {
          return {
            wrong: `writer ${writer}, disk ${disk}, block ${block}: not the state after ${newest} writes (${wanted} expected, ${area.readUInt32LE(block * BLOCK_SIZE + 4)} found)`,
          };
        }
      }
    }
    writes.push(newest);
  }
  return { writes };
};
