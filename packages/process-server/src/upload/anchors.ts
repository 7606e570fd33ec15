import { readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Log } from '@holdfast/daemon';
import { isId } from '@holdfast/protocol';
import type { Anchor } from '@holdfast/vault';

/** The newest durable slot of each machine's log that this server saw, kept outside the vaults: an older vault was rolled back. */
export interface Anchors {
  /** Of one vault, where that is named: a machine may go to another one, whose log begins anew. */
  of(machineId: string, vaultId?: string): Anchor | undefined;
  set(machineId: string, vaultId: string, anchor: Anchor): void;
  /** The machine is not received here any more: whoever protects it again takes the vault as it is then. */
  forget(machineId: string): void;
  /** Writes what changed. */
  save(): Promise<void>;
}

/** Those of an earlier version say of no vault. */
interface Kept extends Anchor {
  readonly vault?: string;
}

const isKept = (value: unknown): value is Kept => {
  const { sequence, tag, term, vault } = (value ?? {}) as Partial<Record<keyof Kept, unknown>>;
  if (vault !== undefined && typeof vault !== 'string') return false;
  return Number.isSafeInteger(sequence) && Number.isSafeInteger(term) && typeof tag === 'string' && /^[0-9a-f]{64}$/.test(tag);
};

const read = async (file: string, log: Log): Promise<Map<string, Kept>> => {
  try {
    const entries = Object.entries(JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>);
    return new Map(entries.filter((entry): entry is [string, Kept] => isId(entry[0]) && isKept(entry[1])));
  } catch (reason) {
    // Anchors are a second pair of eyes: agents keep theirs. An older one is as true as the newest.
    if ((reason as NodeJS.ErrnoException).code !== 'ENOENT')
      log.warn('The anchors cannot be read and are begun anew', { file, error: reason });
    return new Map();
  }
};

export const openAnchors = async (stateDirectory: string, log: Log): Promise<Anchors> => {
  const file = path.join(stateDirectory, 'anchors.json');
  const anchors = await read(file, log);
  let changed = false;
  return {
    of(machineId, vaultId) {
      const kept = anchors.get(machineId);
      return vaultId === undefined || kept?.vault === undefined || kept.vault === vaultId ? kept : undefined;
    },
    set(machineId, vault, { sequence, tag, term }) {
      anchors.set(machineId, { sequence, tag, term, vault });
      changed = true;
    },
    forget(machineId) {
      changed = anchors.delete(machineId) || changed;
    },
    async save() {
      if (!changed) return;
      changed = false;
      await writeFile(`${file}.new`, JSON.stringify(Object.fromEntries(anchors)), { mode: 0o600 });
      await rename(`${file}.new`, file);
    },
  };
};
