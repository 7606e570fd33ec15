import path from 'node:path';
import { NEEDED_FILES, OTHER_FILES, readIfPresent } from '../authority/authority-files.ts';
import type { LevelStore } from '../state/level-store.ts';
import { type BackupItem, writeBackup } from './content.ts';

/** Files of the certificate authority: members believe nobody else. */
export const AUTHORITY_FILES = [...NEEDED_FILES, ...OTHER_FILES] as const;

async function* items(store: LevelStore, authorityDirectory: string): AsyncGenerator<BackupItem> {
  for (const file of AUTHORITY_FILES) {
    const text = await readIfPresent(path.join(authorityDirectory, file));
    if (text !== undefined) yield { file, text };
  }
  for await (const [key, value] of store.dump()) yield { key, value };
}

/** The bytes of a backup of everything this server keeps, as it is at one moment, while it works on. */
export const makeBackup = (store: LevelStore, stateDirectory: string, software: string, passphrase: string): AsyncIterable<Uint8Array> =>
  writeBackup({ made: Date.now(), software }, items(store, path.join(stateDirectory, 'authority')), passphrase);
