import { readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Log } from '@holdfast/daemon';
import { isId } from '@holdfast/protocol';
import type { Anchor } from '@holdfast/vault';

/** The newest durable slot of each machine's log that this server saw, kept outside the vaults: an older vault was rolled back. */
export interface Anchors {
  of(machineId: string): Anchor | undefined;
  set(machineId: string, anchor: Anchor): void;
  /** Writes what changed. */
  save(): Promise<void>;
}

const isAnchor = (value: unknown): value is Anchor => {
  const { sequence, tag, term } = (value ?? {}) as Partial<Record<keyof Anchor, unknown>>;
  return Number.isSafeInteger(sequence) && Number.isSafeInteger(term) && typeof tag === 'string' && /^[0-9a-f]{64}$/.test(tag);
};

const read = async (file: string, log: Log): Promise<Map<string, Anchor>> => {
  try {
    const entries = Object.entries(JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>);
    return new Map(entries.filter((entry): entry is [string, Anchor] => isId(entry[0]) && isAnchor(entry[1])));
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
    of: (machineId) => anchors.get(machineId),
    set(machineId, anchor) {
      anchors.set(machineId, anchor);
      changed = true;
    },
    async save() {
      if (!changed) return;
      changed = false;
      await writeFile(`${file}.new`, JSON.stringify(Object.fromEntries(anchors)), { mode: 0o600 });
      await rename(`${file}.new`, file);
    },
  };
};
