import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Log } from '@holdfast/daemon';
import { isId } from '@holdfast/protocol';
import { writeWhole } from '../control/write-whole.ts';

/** What is known of the vault behind a name of the settings. */
export interface KnownVault {
  /** As it stands in the vault. */
  readonly id: string;
  /** Where it was, without secrets. */
  readonly location: string;
  /** Of that place alone: a copy elsewhere has another one. */
  readonly place: string;
}

/**
 * Which vault is behind each name of the settings. Machines are bound to a vault, not to what somebody calls it: it is found by its id under
 * whatever name, and a name that denotes another one than before is noticed. Kept on disk, so that it is known before vaults answer.
 */
export interface VaultIdentities {
  of(name: string): KnownVault | undefined;
  /** The name in the settings by which a vault is found, of its id or of a name. Undefined: none is known to be it. */
  nameOf(vault: string): string | undefined;
  /** The vault that had this name when it was opened before, and that none of the settings is now. */
  previousOf(name: string): string | undefined;
  /** What was found behind the name when it was opened; resolves when it is on disk, or cannot be. */
  learn(name: string, found: KnownVault): Promise<void>;
  /** Nobody needs those vaults any more that are gone, but for these. */
  forgetBut(needed: ReadonlySet<string>): void;
}

interface Entry {
  readonly known: KnownVault | undefined;
  readonly previous: string | undefined;
}

/** A name of the settings, and where that says the vault is. */
export type NamedPlaces = Readonly<Record<string, string>>;

const isKnown = (value: unknown): value is KnownVault => {
  const { id, location, place } = (value ?? {}) as Partial<Record<keyof KnownVault, unknown>>;
  return typeof id === 'string' && isId(id) && typeof location === 'string' && typeof place === 'string';
};

const read = async (file: string, log: Log): Promise<ReadonlyMap<string, Entry>> => {
  const entries = new Map<string, Entry>();
  try {
    const { form, vaults } = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
    if (form !== 1) throw new Error('it has another form');
    for (const [name, value] of Object.entries(vaults as Record<string, Record<string, unknown>>)) {
      const previous = typeof value['previous'] === 'string' && isId(value['previous']) ? value['previous'] : undefined;
      entries.set(name, { known: isKnown(value['known']) ? value['known'] : undefined, previous });
    }
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code !== 'ENOENT')
      log.warn('What was known of the vaults cannot be read; they are looked at anew', { file, error: reason });
  }
  return entries;
};

/**
 * `places`: the names of the settings. What was known of a name at another place is believed when it was opened there again; what was known of
 * another name at the same place is the same vault with a new name.
 */
const settle = (before: ReadonlyMap<string, Entry>, places: NamedPlaces): Map<string, Entry> => {
  const at = new Map([...before.values()].flatMap(({ known }) => (known === undefined ? [] : [[known.location, known] as const])));
  const entries = new Map<string, Entry>();
  for (const [name, location] of Object.entries(places)) {
    const own = before.get(name);
    const known = at.get(location);
    const had = own?.known?.id === known?.id ? own?.previous : (own?.known?.id ?? own?.previous);
    entries.set(name, { known, previous: had });
  }
  return entries;
};

/** In memory, unless a state directory is given. */
export const openVaultIdentities = async (
  places: NamedPlaces,
  { stateDirectory, log }: { readonly stateDirectory?: string; readonly log: Log },
): Promise<VaultIdentities> => {
  const file = stateDirectory === undefined ? undefined : path.join(stateDirectory, 'vaults.json');
  const entries = settle(file === undefined ? new Map() : await read(file, log), places);
  let writing: Promise<void> = Promise.resolve();
  const save = (): void => {
    if (file === undefined) return;
    const text = JSON.stringify({ form: 1, vaults: Object.fromEntries(entries) });
    writing = writing
      .then(() => writeWhole(file, text))
      .catch((error: unknown) => log.warn('What is known of the vaults could not be written', { file, error }));
  };
  const nameOf = (vault: string): string | undefined => {
    for (const [name, { known }] of entries) if (known?.id === vault) return name;
    // What has the form of an id is one, whatever settings call so.
    return !isId(vault) && entries.has(vault) ? vault : undefined;
  };

  return {
    of: (name) => entries.get(name)?.known,
    nameOf,
    previousOf(name) {
      const previous = entries.get(name)?.previous;
      return previous === undefined || nameOf(previous) !== undefined ? undefined : previous;
    },
    async learn(name, found) {
      const { known, previous } = entries.get(name) ?? {};
      if (known?.id === found.id && known.location === found.location && known.place === found.place && previous !== found.id) return;
      const had = known === undefined || known.id === found.id ? previous : known.id;
      entries.set(name, { known: found, previous: had === found.id ? undefined : had });
      save();
      await writing;
    },
    forgetBut(needed) {
      for (const [name, { known, previous }] of entries)
        if (previous !== undefined && !needed.has(previous) && !needed.has(name)) {
          entries.set(name, { known, previous: undefined });
          save();
        }
    },
  };
};
