import { setTimeout as sleep } from 'node:timers/promises';
import type { RegisteredDisk } from '../disks/disk-registry.ts';

export interface DiskWatch {
  findDisks(): Promise<readonly RegisteredDisk[]>;
  /** Milliseconds between looks. */
  readonly interval: number;
  /**
   * Disks came, grew or have other names than at the look before. Not when one went: as long as nobody has said that it is left out, its
   * place is kept, and there are no points without it.
   */
  onChange(disks: readonly RegisteredDisk[]): void;
  /** A look failed; it is tried again. */
  onFailure(reason: unknown): void;
}

const signatureOf = ({ id, path, size }: RegisteredDisk): string => JSON.stringify([id, path, size]);

/** Looks now and then which disks the machine has, until `stopping` aborts. */
export const watchDisks = async ({ findDisks, interval, onChange, onFailure }: DiskWatch, stopping: AbortSignal): Promise<void> => {
  let known: ReadonlySet<string> | undefined;
  while (!stopping.aborted) {
    try {
      const disks = await findDisks();
      const found = disks.map(signatureOf);
      const before = known;
      known = new Set(found);
      if (before !== undefined && found.some((one) => !before.has(one))) onChange(disks);
    } catch (reason) {
      onFailure(reason);
    }
    await sleep(interval, undefined, { signal: stopping }).catch(() => undefined);
  }
};
