import os from 'node:os';
import { create } from '@bufbuild/protobuf';
import { idBytes, type Manifest, ManifestSchema, newId } from '@holdfast/protocol';
import type { HrlManifest } from '../hrl/hrl.ts';
import { collectDisks, type ManifestDisk } from './disks.ts';
import { textOf } from './fields.ts';
import { manifestIdentity } from './identity.ts';
import { collectDns, collectInterfaces, collectRoutes, guessRenderer } from './network.ts';
import { collectFirmware, collectOperatingSystem } from './operating-system.ts';
import { localSystem, type SystemView } from './system-view.ts';

export interface CollectOptions {
  /** 32 hexadecimal digits. */
  readonly machineId: string;
  /** The disks of the machine in their order. */
  readonly disks: readonly ManifestDisk[];
  /** The manifest committed last (`Hrl.lastManifest`): one that says the same keeps its id. */
  readonly last?: HrlManifest | undefined;
  readonly system?: SystemView;
}

/**
 * What the machine is now. Never fails for lack of a tool (lsblk, ip, sfdisk, blkid): what it would have told stays empty. It holds only
 * what stays the same as long as nobody changes the machine.
 */
export const collectManifest = async ({ machineId, disks, last, system = localSystem }: CollectOptions): Promise<Manifest> => {
  const dns = collectDns(system);
  const manifest = create(ManifestSchema, {
    machineId: idBytes(machineId),
    machineName: textOf(os.hostname()),
    operatingSystem: collectOperatingSystem(system),
    ...collectFirmware(system),
    disks: await collectDisks(system, disks),
    networkInterfaces: await collectInterfaces(system),
    routes: await collectRoutes(system),
    dnsServers: dns.servers,
    dnsSearch: dns.search,
    networkRenderer: guessRenderer(system),
    processors: os.cpus().length,
    memoryBytes: BigInt(os.totalmem()),
  });
  const isSame = last !== undefined && last.identity === manifestIdentity(manifest);
  manifest.id = idBytes(isSame ? last.id : newId());
  return manifest;
};
