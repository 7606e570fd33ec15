import { randomUUID } from 'node:crypto';
import { readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { holdExclusively } from '@holdfast/block';
import { isHoldfastError } from '@holdfast/errors';

/** Milliseconds without a write after which an image that nobody here holds was left by somebody who was killed; on another host it may be held. */
const LEFT_ALONE = 10 * 60_000;

const PATTERN = /^\.[0-9a-f]{8}\.unfinished$/;

/** What an image is called until it is whole. */
export const unfinishedName = (file: string): string => `${file}.${randomUUID().slice(0, 8)}.unfinished`;

/** Removes what exports to this file left that were killed. What cannot be removed is left where it is: it is in nobody's way. */
export const clearUnfinished = async (file: string): Promise<void> => {
  const directory = dirname(file);
  const name = basename(file);
  const left = (await readdir(directory).catch(() => [])).filter((one) => one.startsWith(name) && PATTERN.test(one.slice(name.length)));
  for (const one of left) await clear(join(directory, one)).catch(() => {});
};

const clear = async (file: string): Promise<void> => {
  const { mtimeMs } = await stat(file);
  if (Date.now() - mtimeMs < LEFT_ALONE) return;
  let release: () => Promise<void>;
  try {
    release = await holdExclusively(file);
  } catch (reason) {
    if (isHoldfastError(reason, 'DEVICE_IN_USE')) return;
    throw reason;
  }
  await rm(file, { force: true }).finally(release);
};
