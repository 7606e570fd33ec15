import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { churnDirectory, churnFileNumber } from '../workload/churn.ts';
import type { ChurnStep } from '../workload/churn-journal.ts';
import { readStamp, STAMP_SIZE } from '../workload/stamp.ts';
import { createFaults, type Faults, type Verdict } from './verdict.ts';

export interface ChurnQuestion {
  /** Where the recovered disk is mounted. */
  readonly mountPoint: string;
  /** What the churn of that disk wrote down outside. */
  readonly journal: readonly ChurnStep[];
  /** CLOCK_MONOTONIC of the point, nanoseconds. */
  readonly instant: bigint;
}

/** Times of the newest writes a file's blocks must hold at least, by block. */
type SyncedBlocks = Map<number, bigint>;

/** Goes through the journal up to the instant: what had been synced by then, and by then neither truncated nor deleted, must be there. */
const syncedFiles = (journal: readonly ChurnStep[], instant: bigint): Map<number, SyncedBlocks> => {
  const synced = new Map<number, SyncedBlocks>();
  const pending = new Map<number, SyncedBlocks>();
  for (const step of journal) {
    if (step.time > instant) break;
    const unsynced = pending.get(step.file) ?? new Map<number, bigint>();
    switch (step.what) {
      case 'wrote':
        for (let block = step.first; block < step.first + step.count; block += 1) unsynced.set(block, step.time);
        pending.set(step.file, unsynced);
        break;
      case 'synced':
        synced.set(step.file, new Map([...(synced.get(step.file) ?? []), ...unsynced]));
        pending.delete(step.file);
        break;
      case 'cutting':
        for (const blocks of [unsynced, synced.get(step.file)])
          for (const block of blocks?.keys() ?? []) if (block >= step.blocks) blocks!.delete(block);
        break;
      case 'dropping':
        synced.delete(step.file);
        pending.delete(step.file);
        break;
    }
  }
  return synced;
};

/** Checks one file's blocks, each for itself and against what was synced; returns how many stamps it holds. */
const checkFile = (name: string, content: Buffer, number: number, synced: SyncedBlocks, instant: bigint, faults: Faults): number => {
  let stamps = 0;
  if (content.length % STAMP_SIZE !== 0) faults.add(`${name} has ${content.length} bytes, no whole number of blocks`);
  for (let block = 0; (block + 1) * STAMP_SIZE <= content.length; block += 1) {
    const stamp = readStamp(content.subarray(block * STAMP_SIZE, (block + 1) * STAMP_SIZE));
    // A block never synced may read as zeroes; the loop below finds those which may not.
    if (stamp === 'zero') continue;
    if (stamp === 'garbage') faults.add(`block ${block} of ${name} is garbage`);
    else if (stamp.file !== number || stamp.block !== block)
      faults.add(`block ${block} of ${name} belongs to block ${stamp.block} of file ${stamp.file}`);
    else if (stamp.time > instant) faults.add(`block ${block} of ${name} was written after the point's instant`);
    else if (stamp.time < (synced.get(block) ?? 0n))
      faults.add(`block ${block} of ${name} is older than what was synced before the point's instant`);
    else stamps += 1;
    synced.delete(block);
  }
  for (const block of synced.keys()) faults.add(`block ${block} of ${name} was synced before the point's instant and is missing`);
  return stamps;
};

/**
 * Checks the churned files of one recovered disk: every block is whole, of that file, of that place and not from after the point; what was
 * synced before the point is there, under exactly one name.
 */
export const checkChurn = ({ mountPoint, journal, instant }: ChurnQuestion): Verdict => {
  const faults = createFaults();
  const synced = syncedFiles(journal, instant);
  const seen = new Set<number>();
  const root = churnDirectory(mountPoint);
  let stamps = 0;
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) continue;
    const number = churnFileNumber(entry.name);
    const name = path.join(path.basename(entry.parentPath), entry.name);
    if (number === undefined) faults.add(`${name} is a file nobody made`);
    else if (seen.has(number)) faults.add(`file ${number} is there under two names, one of them ${name}`);
    else {
      seen.add(number);
      stamps += checkFile(
        name,
        readFileSync(path.join(entry.parentPath, entry.name)),
        number,
        synced.get(number) ?? new Map(),
        instant,
        faults,
      );
    }
  }
  for (const number of synced.keys())
    if (!seen.has(number)) faults.add(`file ${number} was synced before the point's instant and is missing`);
  return faults.verdict('files', `${seen.size} files, ${stamps} blocks`);
};
