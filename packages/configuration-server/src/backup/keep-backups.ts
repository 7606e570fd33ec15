import { createReadStream } from 'node:fs';
import { open, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '@holdfast/daemon';
import { fromSystem, type HoldfastError } from '@holdfast/errors';
import { readBackup } from './content.ts';

export interface KeepBackupsOptions {
  readonly directory: string;
  /** Id of the installation: another one may keep its backups in the same directory. */
  readonly site: string;
  /** Milliseconds between two. */
  readonly interval: number;
  /** How many stay; the oldest go first. */
  readonly keep: number;
  readonly passphrase: string;
  readonly make: () => AsyncIterable<Uint8Array>;
  readonly log: Log;
}

/** Backups that are made by themselves. */
export interface BackupKeeper {
  run(stopping: AbortSignal): Promise<void>;
  /** What is not well with them, in words. */
  problem(): string | undefined;
}

const LETTERS = 8;

/** The names of the backups of one installation. */
const namesOf = (site: string): RegExp => new RegExp(`^holdfast-${site.slice(0, LETTERS)}-\\d{8}T\\d{6}Z\\.backup$`);

/** A clock that was wrong once may have made some of a time that has not come: those say nothing of when the next is due. */
const timeOf = (name: string): number => {
  const [, day, time] = /(\d{8})T(\d{6})Z/.exec(name)!;
  return Date.parse(`${day!.replace(/(....)(..)(..)/, '$1-$2-$3')}T${time!.replace(/(..)(..)(..)/, '$1:$2:$3')}Z`);
};

const nameAt = (site: string, time: number): string =>
  `holdfast-${site.slice(0, LETTERS)}-${new Date(time).toISOString().replaceAll(/[-:]|\.\d+/g, '')}.backup`;

/** Milliseconds before the next try after one that failed. */
const AGAIN = 60_000;

const requireWhole = async (file: string, passphrase: string): Promise<void> => {
  const { items } = await readBackup(createReadStream(file), passphrase, file);
  for await (const _ of items);
};

/** Writes a backup and reads it back before it counts. Gives its name. */
export const writeBackupFile = async (options: Omit<KeepBackupsOptions, 'interval' | 'log'>, now = Date.now()): Promise<string> => {
  const { directory, site, keep, passphrase, make } = options;
  const file = path.join(directory, nameAt(site, now));
  const temporary = `${file}.part`;
  try {
    await rm(temporary, { force: true });
    const handle = await open(temporary, 'wx', 0o600);
    try {
      for await (const part of make()) await handle.write(part);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await requireWhole(temporary, passphrase);
    await rename(temporary, file);
    const old = (await readdir(directory)).filter((name) => namesOf(site).test(name)).toSorted();
    for (const name of old.slice(0, Math.max(0, old.length - keep))) if (name !== path.basename(file)) await rm(path.join(directory, name));
  } catch (reason) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw fromSystem(reason, file);
  }
  return file;
};

/** Makes a backup again and again; the newest one in the directory says when the next is due, also after a restart. */
export const createBackupKeeper = (options: KeepBackupsOptions): BackupKeeper => {
  const { directory, site, interval, log } = options;
  let failure: HoldfastError | undefined;
  const newest = async (): Promise<number> => {
    const names = await readdir(directory).catch((reason: unknown) => {
      throw fromSystem(reason, directory);
    });
    const times = names.filter((name) => namesOf(site).test(name)).map(timeOf);
    return Math.max(0, ...times.filter((time) => time <= Date.now()));
  };
  return {
    problem: () => (failure === undefined ? undefined : `no backup could be made: ${failure.message}`),
    async run(stopping) {
      while (!stopping.aborted) {
        let wait = AGAIN;
        try {
          const due = (await newest()) + interval;
          if (Date.now() >= due) log.info('A backup was made', { file: await writeBackupFile(options) });
          failure = undefined;
          wait = Math.min(AGAIN, Math.max(50, due - Date.now(), 0) || interval);
        } catch (reason) {
          failure = fromSystem(reason, 'backup', 'INTERNAL');
          log.error('No backup could be made; it is tried again', { error: failure });
        }
        await sleep(wait, undefined, { signal: stopping }).catch(() => undefined);
      }
    },
  };
};
