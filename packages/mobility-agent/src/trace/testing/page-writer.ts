/** Sub-buffers of the ring as the kernel would write them, with 64-bit arithmetic of its own, for tests. */
export interface WrittenRecord {
  /** Nanoseconds since the record before; from 2^27 on a time extension or stamp goes before it. */
  readonly delta: bigint;
  readonly words: readonly number[];
  readonly how?: 'short' | 'long' | 'discarded';
  /** Write the absolute time instead of an extension. */
  readonly stamp?: boolean;
}

const LIMIT = 1n << 27n;

export const writePage = (bytes: number, start: bigint, records: readonly WrittenRecord[], lost?: 'unknown' | bigint): Uint32Array => {
  const words: number[] = [Number(start & 0xffff_ffffn), Number(start >> 32n), 0, 0];
  let time = start;
  for (const { delta, words: data, how = 'short', stamp = false } of records) {
    time += delta;
    let left = delta;
    if (delta >= LIMIT || stamp) {
      const value = stamp ? time & ((1n << 59n) - 1n) : delta;
      words.push(Number(value % LIMIT) * 32 + (stamp ? 31 : 30), Number(value / LIMIT));
      left = 0n;
    }
    if (how === 'short') words.push(Number(left) * 32 + data.length, ...data);
    else if (how === 'long') words.push(Number(left) * 32, (data.length + 1) * 4, ...data);
    else words.push(Number(left === 0n ? 1n : left) * 32 + 29, (data.length + 1) * 4, ...data);
  }
  const page = new Uint32Array(bytes / 4);
  const length = (words.length - 4) * 4;
  page.set(words);
  // In C: commit += (1 << 31), an int, and (1 << 30).
  const commit = BigInt.asUintN(
    64,
    BigInt(length) + (lost === undefined ? 0n : -0x8000_0000n) + (typeof lost === 'bigint' ? 0x4000_0000n : 0n),
  );
  page[2] = Number(commit & 0xffff_ffffn);
  page[3] = Number(commit >> 32n);
  if (typeof lost === 'bigint') page.set([Number(lost & 0xffff_ffffn), Number(lost >> 32n)], words.length);
  return page;
};
