/** What one machine has in the journal. */
export interface InJournal {
  /** Bytes of whole cuts that are not in the vault yet. */
  readonly pendingBytes: number;
  /** The vault takes none of them: another writer has the machine. */
  readonly isFenced: boolean;
  /** Bytes of the beginning of a cut. */
  readonly begunBytes: number;
}

/** Whole cuts of less than this part of the beginnings make no room worth waiting for: those of idle machines come all the time. */
const LITTLE = 1 / 8;

/** True when it is beginnings of cuts that fill the journal, not whole cuts that wait for their vaults: those leave it by themselves. */
export const fillJournal = (machines: readonly InJournal[]): boolean => {
  const begun = machines.reduce((sum, { begunBytes }) => sum + begunBytes, 0);
  const leaving = machines.reduce((sum, { pendingBytes, isFenced }) => sum + (isFenced ? 0 : pendingBytes), 0);
  return begun > 0 && leaving < LITTLE * begun;
};
