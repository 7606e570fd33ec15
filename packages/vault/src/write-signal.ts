import type { PointChange } from './point-changes.ts';

/*
 * What encryption of files looks like from below: much is written, nearly all of it cannot be compressed, and it is far more of that kind than this machine
 * ever wrote in so much time. Each machine is measured against its own past only. A machine that writes a large archive for the first time looks the same
 * until one asks whether it wrote over data that was there (`overwrittenShare`): files that are encrypted are, as a rule, written over.
 */

/** A time in which a machine wrote as it never did before. */
export interface UnusualWriting {
  /** The first and last point of it. */
  readonly first: PointChange;
  readonly last: PointChange;
  /** The last point before it; undefined when there is none. */
  readonly before: PointChange | undefined;
  readonly dataBytes: number;
  readonly incompressibleBytes: number;
  /** What was usual, at most: incompressible bytes in so much time. */
  readonly usualBytes: number;
}

/** Writes are added up over so much time, in milliseconds. */
const SPAN = 5 * 60_000;
/** Spans that have to be known before anything can be unusual: an hour. */
const LEAST_PAST = 12;
/** Spans after which what was unusual is usual: so that the second night of something new is, and an attack does not hide itself. */
const LEARNT_AFTER = (12 * 60 * 60_000) / SPAN;
/** Spans that are looked back at: a week, so that what happens every night, or every Sunday, is usual. */
const MOST_PAST = (8 * 24 * 60 * 60_000) / SPAN;
/** Of what is written, the share that cannot be compressed. */
const SHARE = 0.6;
/** Less is nothing to tell of. */
const LEAST_BYTES = 32 * 1024 * 1024;
/** How many times the usual it has to be. */
const FACTOR = 4;
/** So many spans of the past, the largest, do not count: a chance is no habit. */
const CHANCES = 2;

interface Span {
  readonly number: number;
  readonly changes: PointChange[];
  dataBytes: number;
  incompressibleBytes: number;
}

/** The times of unusual writing, oldest first. Copies and what agents did not measure are left out. */
export const unusualWriting = (changes: readonly PointChange[]): UnusualWriting[] => {
  const found: UnusualWriting[] = [];
  let past: number[] = [];
  const learning: { readonly number: number; readonly bytes: number }[] = [];
  let previous: Span | undefined;
  let isOpen = false;
  for (const span of spansOf(changes)) {
    // Spans without a point had nothing to tell; an hour of them is as good as a week.
    for (let quiet = previous === undefined ? 0 : Math.min(LEAST_PAST, span.number - previous.number - 1); quiet > 0; quiet -= 1)
      past.push(0);
    while (learning[0] !== undefined && learning[0].number < span.number) past.push(learning.shift()!.bytes);
    const isOfKind = span.incompressibleBytes >= LEAST_BYTES && span.incompressibleBytes >= SHARE * span.dataBytes;
    const usualBytes = isOfKind && past.length >= LEAST_PAST ? usual(past) : Number.POSITIVE_INFINITY;
    const isUnusual = span.incompressibleBytes >= FACTOR * usualBytes;
    const follows = isOpen && previous !== undefined && span.number - previous.number <= 2;
    if (isUnusual) {
      const last = found.at(-1);
      if (follows && last !== undefined) found[found.length - 1] = extended(last, span);
      else found.push(begun(changes, span, usualBytes));
    }
    learning.push({ number: span.number + (isUnusual ? LEARNT_AFTER : 0), bytes: span.incompressibleBytes });
    learning.sort((a, b) => a.number - b.number);
    if (past.length > MOST_PAST) past = past.slice(-MOST_PAST);
    isOpen = isUnusual;
    previous = span;
  }
  return found;
};

const spansOf = (changes: readonly PointChange[]): Span[] => {
  const spans: Span[] = [];
  for (const change of changes) {
    const { point, dataBytes, incompressibleBytes, isCopy } = change;
    if (isCopy || incompressibleBytes === undefined) continue;
    const number = Math.floor(point.time / SPAN);
    let span = spans.at(-1);
    // A clock that goes back does not divide anything.
    if (span === undefined || number > span.number) {
      span = { number, changes: [], dataBytes: 0, incompressibleBytes: 0 };
      spans.push(span);
    }
    span.changes.push(change);
    span.dataBytes += dataBytes;
    span.incompressibleBytes += incompressibleBytes;
  }
  return spans;
};

const usual = (past: readonly number[]): number => past.toSorted((a, b) => b - a)[CHANCES] ?? 0;

/** It begins with the first point of the span that is itself of that kind. */
const begun = (changes: readonly PointChange[], span: Span, usualBytes: number): UnusualWriting => {
  const isOfKind = ({ incompressibleBytes = 0, dataBytes }: PointChange): boolean =>
    incompressibleBytes >= SHARE * dataBytes && incompressibleBytes >= span.incompressibleBytes / (10 * span.changes.length);
  const first = span.changes.find(isOfKind) ?? span.changes[0]!;
  return {
    first,
    last: span.changes.at(-1)!,
    before: changes[changes.indexOf(first) - 1],
    dataBytes: span.dataBytes,
    incompressibleBytes: span.incompressibleBytes,
    usualBytes,
  };
};

const extended = (writing: UnusualWriting, span: Span): UnusualWriting => ({
  ...writing,
  last: span.changes.at(-1)!,
  dataBytes: writing.dataBytes + span.dataBytes,
  incompressibleBytes: writing.incompressibleBytes + span.incompressibleBytes,
});
