import type { Guest } from '../guest.ts';
import { partitionName, type Volume } from '../mount/volumes.ts';

/** What a name of a device means: `stable` names hold on any hardware, others did on the source's only. */
export type Resolved = { readonly kind: 'stable' } | { readonly kind: 'volume'; readonly volume: Volume } | { readonly kind: 'unknown' };

/** Names that the kernel gives in the order in which it finds disks, or makes out of where they are plugged in. */
const KERNEL_NAME = /^(?:sd[a-z]+\d*|vd[a-z]+\d*|xvd[a-z]+\d*|hd[a-z]+\d*|nvme\d+n\d+(?:p\d+)?)$/;

export const resolveDevice = (guest: Pick<Guest, 'volumes' | 'manifest' | 'diskNames'>, spec: string): Resolved => {
  const name = /^\/dev\/([^/]+)$/.exec(spec)?.[1];
  if (name !== undefined && KERNEL_NAME.test(name)) {
    const volume = guest.volumes.find((one) => one.name === name);
    return volume === undefined ? { kind: 'unknown' } : { kind: 'volume', volume };
  }
  const by = /^\/dev\/disk\/by-(id|path)\/(.+?)(?:-part(\d+))?$/.exec(spec);
  if (by === null) return { kind: 'stable' };
  const [, , words = '', part] = by;
  const disk = guest.manifest?.disks.find(({ serial, wwn }) => [serial, wwn].some((word) => word.length >= 4 && words.includes(word)));
  const wanted = disk && (part === undefined ? disk.name : partitionName(disk.name, Number(part)));
  const volume = guest.volumes.find((one) => one.name === wanted);
  return by[1] === 'id' && volume !== undefined ? { kind: 'volume', volume } : { kind: 'unknown' };
};

/** A name that holds wherever the volume is; undefined when it has none. */
export const stableName = ({ uuid, partUuid }: Volume): string | undefined =>
  uuid !== '' ? `UUID=${uuid}` : partUuid !== '' ? `PARTUUID=${partUuid}` : undefined;
