import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

/*
 * The ledger outside the protected disks: for every step of one writer a line before it begins and a line after it was acknowledged, with
 * CLOCK_MONOTONIC, the clock of the points' instants.
 *
 *   begin 17 81234567890123
 *   acked 17 81234568012345
 */

export interface SequenceLog {
  /** Step `sequence` is about to begin; returns the time written down. */
  begin(sequence: number): bigint;
  /** The step was acknowledged: from now on it must not be lost. */
  acked(sequence: number): void;
  close(): void;
}

export const createSequenceLog = (file: string): SequenceLog => {
  const descriptor = openSync(file, 'a');
  return {
    begin: (sequence) => {
      const time = process.hrtime.bigint();
      writeSync(descriptor, `begin ${sequence} ${time}\n`);
      return time;
    },
    acked: (sequence) => void writeSync(descriptor, `acked ${sequence} ${process.hrtime.bigint()}\n`),
    close: () => closeSync(descriptor),
  };
};

/** Times by step: `begun[n - 1]` is when step n began. */
export interface SequenceTimes {
  readonly begun: readonly bigint[];
  readonly acked: readonly bigint[];
}

/** Reads a log back. A last line without its end, left by a kill, counts as not written. */
export const parseSequenceLog = (text: string): SequenceTimes => {
  const times = { begin: [] as bigint[], acked: [] as bigint[] };
  for (const line of text.slice(0, text.lastIndexOf('\n') + 1).split('\n')) {
    if (line === '') continue;
    const [word, sequence, time] = line.split(' ');
    const list = word === 'begin' || word === 'acked' ? times[word] : undefined;
    if (list === undefined || Number(sequence) !== list.length + 1 || time === undefined)
      throw new Error(`not a line of a ledger: ${line}`);
    list.push(BigInt(time));
  }
  return { begun: times.begin, acked: times.acked };
};

export const readSequenceLog = (file: string): SequenceTimes => parseSequenceLog(readFileSync(file, 'utf8'));

/** How many of the ascending times are at or before the instant. */
const countUntil = (times: readonly bigint[], instant: bigint): number => {
  let from = 0;
  let to = times.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (times[middle]! <= instant) from = middle + 1;
    else to = middle;
  }
  return from;
};

/**
 * What a state of that instant may hold: every step acknowledged by then, none begun later. One writer has at most one step between
 * the two, so the bounds differ by at most one.
 */
export const boundsAt = (times: SequenceTimes, instant: bigint): { readonly atLeast: number; readonly atMost: number } => ({
  atLeast: countUntil(times.acked, instant),
  atMost: countUntil(times.begun, instant),
});
