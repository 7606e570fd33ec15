import { type AgentProtection, idText, isWithin } from '@holdfast/protocol';

/** What is wanted, in the terms of this program. */
export interface Wanted {
  readonly revision: bigint;
  readonly protection: AgentProtection | undefined;
  /** Of the disks to protect, in order. */
  readonly diskIds: readonly string[];
}

export const wantedOf = (revision: bigint, protection: AgentProtection | undefined): Wanted => {
  const excluded = new Set(protection?.excludedDiskIds.map(idText) ?? []);
  const diskIds = (protection?.diskIds.map(idText) ?? []).filter((id) => !excluded.has(id)).sort();
  return { revision, protection, diskIds };
};

/** The request to resynchronize; empty where there is none. */
export const resyncOf = (wanted: Wanted | undefined): string =>
  wanted?.protection === undefined ? '' : idText(wanted.protection.resyncId);

/** True when what is at work has to be opened anew for what is wanted now; everything else takes effect beside it. */
export const wantsAnother = (before: Wanted | undefined, now: Wanted): boolean =>
  before === undefined ||
  (before.protection === undefined) !== (now.protection === undefined) ||
  before.diskIds.join() !== now.diskIds.join() ||
  resyncOf(before) !== resyncOf(now);

/** How far the disks are, as far as it decides whether copies rest. */
export interface CopyProgress {
  /** Some disk is being resynchronized. */
  readonly isResynchronizing: boolean;
  /** The disk is being copied for the first time. */
  isFirst(diskId: string): boolean;
}

/** Copies rest when somebody wants it; or when it is no time for a resynchronization, and nothing else is copied. */
export const copiesRest = (wanted: Wanted | undefined, { isResynchronizing, isFirst }: CopyProgress, now: Date = new Date()): boolean => {
  const protection = wanted?.protection;
  if (wanted === undefined || protection === undefined) return false;
  if (protection.copyPaused) return true;
  const { resyncWindows } = protection;
  if (resyncWindows.length === 0 || !isResynchronizing || wanted.diskIds.some(isFirst)) return false;
  return !resyncWindows.some((window) => isWithin(window, now));
};
