import { copyFile, mkdir, open, rm } from 'node:fs/promises';
import path from 'node:path';
import { createMiniImage } from '../mini-image/index.ts';
import { startServers } from '../site/servers.ts';

/** Where nothing of the image's file systems is. */
const LAST_BLOCK = 64 * 2 ** 20 - 4096;

/** The site that will be lost: a configuration server, a process server, and a machine with an agent, each a process of its own. */
export interface SourceSite {
  /** What the machine is called. */
  readonly machine: string;
  /** SIGKILL for all of it, and all of its files removed. Resolves to what was there. */
  destroy(): Promise<readonly string[]>;
}

export interface SourceSiteOptions {
  readonly directory: string;
  /** Where the vault is, elsewhere. */
  readonly vault: string;
  readonly keyFile: string;
  readonly note: (line: string) => void;
  /** Gets the number of every process at once. */
  readonly onStart: (pid: number) => void;
}

/** Sets a site up as docs/operations.md says, protects a machine, and lets it work until a point of what it wrote is in the vault. */
export const setUpSite = async ({ directory, vault, keyFile, note, onStart }: SourceSiteOptions): Promise<SourceSite> => {
  await mkdir(directory, { recursive: true });
  const image = path.join(directory, 'disk.raw');
  await copyFile((await createMiniImage()).path, image);
  const { person, programs, startAgent } = await startServers({ directory, vault, keyFile, onStart });
  await startAgent({ disks: { include: [image] }, hrl: { quota: '256MiB', segment: '16MiB' }, points: { interval: '1s' } });
  const [found] = await person.json<{ id: string }[]>(['machine', 'list']);
  await person.json(['machine', 'rename', found!.id, 'mini']);
  note('protecting the machine');
  await person.json(['protect', 'mini', '--vault', 'office', '--wait'], {});
  const file = await open(image, 'r+');
  await file.write(Buffer.alloc(4096, 7), 0, 4096, LAST_BLOCK);
  await file.sync();
  await file.close();
  return {
    machine: 'mini',
    destroy: async () => {
      for (const program of programs.toReversed()) await program.kill();
      await rm(directory, { recursive: true });
      return programs.map(({ name }) => name);
    },
  };
};
