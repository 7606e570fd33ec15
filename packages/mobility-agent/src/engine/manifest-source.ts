import type { Manifest } from '@holdfast/protocol';
import type { RegisteredDisk } from '../disks/disk-registry.ts';
import type { Hrl } from '../hrl/hrl.ts';
import { collectManifest } from '../manifest/collect.ts';

/** What a machine is changes rarely, and asking costs half a dozen processes. Milliseconds. */
const VALID = 30_000;

/** Tells what the machine is now, or was at most half a minute ago. A manifest that says the same as the one committed last keeps its id. */
export const createManifestSource = (
  machineId: string,
  disks: readonly RegisteredDisk[],
  hrl: Pick<Hrl, 'lastManifest'>,
): (() => Promise<Manifest>) => {
  let last: { readonly manifest: Manifest; readonly at: number } | undefined;
  return async () => {
    if (last === undefined || performance.now() - last.at > VALID) {
      const manifest = await collectManifest({ machineId, disks, last: hrl.lastManifest });
      last = { manifest, at: performance.now() };
    }
    return last.manifest;
  };
};
