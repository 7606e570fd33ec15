import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { HoldfastError } from '@holdfast/errors';

/** Things that live one in a file of `directory`, each exported as `key` and named like its file. */
export const loadRegistry = async <T extends { readonly name: string }>(directory: string, key: string): Promise<Map<string, T>> => {
  const found = new Map<string, T>();
  for (const file of (await readdir(directory)).toSorted()) {
    if (!file.endsWith('.ts') || file.endsWith('.spec.ts')) continue;
    const { [key]: thing } = (await import(pathToFileURL(path.join(directory, file)).href)) as Record<string, T | undefined>;
    if (thing?.name !== path.basename(file, '.ts')) {
      throw new HoldfastError('INTERNAL', {
        thing: file,
        why: `it exports no ${key} of its own name`,
        remedy: `export one, or move the file`,
      });
    }
    found.set(thing.name, thing);
  }
  return found;
};

/** The thing of this name, or SETTING_UNKNOWN with the names that exist. */
export const pick = <T>(things: ReadonlyMap<string, T>, name: string, kind: string): T => {
  const thing = things.get(name);
  if (thing !== undefined) return thing;
  throw new HoldfastError('SETTING_UNKNOWN', {
    thing: name,
    why: `there is no ${kind} of this name`,
    remedy: `use one of ${[...things.keys()].join(', ') || '(none yet)'}`,
  });
};
