/**
 * A sub-buffer of the kernel's ring buffer (`include/linux/ring_buffer.h`), 32-bit little-endian words:
 *
 *     0,1  nanoseconds of the instance's clock at the first record
 *     2,3  bits 0-29 bytes of records; bit 31: records before this page were lost; bit 30: their number follows the records (64 bits). The
 *          kernel adds bit 31 as a negative number: the high word is then all ones
 *     4... records
 *
 * A record begins with a word: low 5 bits type, high 27 bits nanoseconds since the record before.
 *
 *     1-28   data of `type` words
 *     0      data; the next word is its length in bytes, that word included
 *     29     no data. Delta 0: nothing follows in this page. Else a record thrown away; the next word is its length as above, and a delta
 *            of 1 may stand for 0, so the kernel's own reader does not count it
 *     30     time extension: next word << 27 | delta, is added
 *     31     time stamp: next word << 27 | delta, is the time (without its top five bits)
 */

/** The time from which times are counted, so that they are exact as numbers: 2^53 ns are 104 days. */
export interface TimeBase {
  readonly high: number;
  readonly low: number;
}

export const timeBase = (nanoseconds: bigint): TimeBase => ({
  high: Number(nanoseconds >> 32n),
  low: Number(nanoseconds & 0xffff_ffffn),
});

export interface RecordVisitor {
  /** One data record: `count` words from `first` on. Time in nanoseconds since the time base. */
  record(words: Uint32Array, first: number, count: number, time: number): void;
}

export interface PageSummary {
  /** Data records, known to us or not: what the kernel counts as "read events". */
  readonly records: number;
  /** Records lost before this page; -1 if the kernel does not say how many. */
  readonly lost: number;
  /** What is wrong with the page; the records before that were visited. */
  readonly fault?: string;
}

const HEADER_WORDS = 4;
const LOST_WORDS = 2;
const MISSED = 0x8000_0000;
const MISSED_STORED = 0x4000_0000;
const PADDING = 29;
const TIME_EXTEND = 30;

/** Words that are in use of a page that makes sense: its header, its records, the number of those lost before. */
export const pageWords = (words: Uint32Array): number => HEADER_WORDS + ((words[2]! & ~(MISSED | MISSED_STORED)) >>> 2) + LOST_WORDS;

/**
 * Visits the data records of a page; `words` holds the page and nothing else. Allocates nothing per record. Whatever the bytes are, it
 * looks at nothing outside of them and comes to an end.
 */
export const parseRingPage = (words: Uint32Array, base: TimeBase, visitor: RecordVisitor): PageSummary => {
  const commit = words[2]!;
  const missed = (commit & MISSED) !== 0;
  const bytes = (commit & ~(MISSED | MISSED_STORED)) >>> 0;
  const end = HEADER_WORDS + bytes / 4;
  if (words[3] !== (missed ? 0xffff_ffff : 0) || bytes % 4 !== 0 || end > words.length)
    return { records: 0, lost: 0, fault: `it says that it holds ${bytes} bytes` };
  let lost = 0;
  if ((commit & MISSED) !== 0)
    lost = (commit & MISSED_STORED) !== 0 && end + 2 <= words.length ? words[end]! + words[end + 1]! * 2 ** 32 : -1;

  // Time stamps count in units of 2^27 ns: the same base in those units.
  const baseStamp = base.high * 32 + Math.floor(base.low / 2 ** 27);
  const baseDelta = base.low % 2 ** 27;
  let time = (words[1]! - base.high) * 2 ** 32 + (words[0]! - base.low);
  let records = 0;
  let at = HEADER_WORDS;
  while (at < end) {
    const head = words[at]!;
    const type = head & 31;
    const delta = head >>> 5;
    if (type === PADDING && delta === 0) break;
    if (type >= 1 && type < PADDING) {
      const next = at + 1 + type;
      if (next > end) return { records, lost, fault: `a record at byte ${at * 4} is cut off` };
      time += delta;
      visitor.record(words, at + 1, type, time);
      records += 1;
      at = next;
      continue;
    }
    if (at + 2 > end) return { records, lost, fault: `a record at byte ${at * 4} is cut off` };
    const second = words[at + 1]!;
    if (type > PADDING) {
      time = type === TIME_EXTEND ? time + second * 2 ** 27 + delta : (second - (baseStamp % 2 ** 32)) * 2 ** 27 + (delta - baseDelta);
      at += 2;
      continue;
    }
    const next = at + 1 + Math.ceil(second / 4);
    if (second < 4 || next > end) return { records, lost, fault: `a record at byte ${at * 4} says that it is ${second} bytes long` };
    if (type === PADDING) time += delta === 1 ? 0 : delta;
    else {
      time += delta;
      visitor.record(words, at + 2, next - at - 2, time);
      records += 1;
    }
    at = next;
  }
  return { records, lost };
};
