import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '@holdfast/errors';
import { toolMissing } from './run-tool.ts';

const PATIENCE = 30_000;

/** What is behind an NBD URI as a file of this host, by FUSE: `DIRECTORY/NAME/disk`. It ends when it is unmounted. */
export const asFile = async (directory: string, name: string, uri: string): Promise<string> => {
  const place = path.join(directory, name);
  await mkdir(place);
  const file = path.join(place, 'disk');
  // In a group of its own: Ctrl-C at the terminal ends us, and we end it when nothing needs it any more.
  const child = spawn('nbdfuse', [file, uri], { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-1000);
  });
  const failed = once(child, 'error').then(() => toolMissing('nbdfuse'));
  child.unref();
  (child.stderr as unknown as { unref(): void }).unref();
  for (const end = Date.now() + PATIENCE; Date.now() < end; ) {
    const there = await stat(file).then(
      () => true,
      () => false,
    );
    if (there) return file;
    const error = await Promise.race([failed, sleep(20)]);
    if (error !== undefined) throw error;
    if (child.exitCode !== null) break;
  }
  throw new HoldfastError('IO_FAILED', {
    thing: `nbdfuse ${file}`,
    why: said.trim() || 'it did not come up',
    remedy: 'see that FUSE is there (/dev/fuse, package fuse3)',
  });
};
