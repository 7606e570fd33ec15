import { MACHINE_TOOLS, type ToolGroup } from '../setup/machine-tools.ts';
import { isPresent } from '../setup/presence.ts';
import type { LabOptions } from './options.ts';
import { formatBytes, formatSeconds } from './output/format.ts';

/** Groups of tools the lab uses. */
export const LAB_TOOLS: readonly ToolGroup[] = ['filesystems', 'nbd'];

/** Debian packages a run would have to install. */
export const missingPackages = (present: (proof: string) => boolean = isPresent): string[] =>
  MACHINE_TOOLS.filter(({ groups, proof }) => groups.some((group) => LAB_TOOLS.includes(group)) && !present(proof)).map(({ apt }) => apt);

export interface Plan {
  readonly options: LabOptions;
  readonly directory: string;
  readonly stateName: string;
  readonly memoryDirectory: string;
  readonly diskSize: number;
  readonly missing: readonly string[];
}

/** Set-up, first copy and verification, beside the minutes under load. */
const AROUND_SECONDS = 60;

/** What is going to happen to this machine, said before any of it does. */
export const announce = ({ options, directory, stateName, memoryDirectory, diskSize, missing }: Plan): string[] => {
  const { disks, keep, vault, minutes, seed } = options;
  const machine =
    disks.length === 0
      ? [
          `two loop devices over sparse files of ${formatBytes(diskSize)}, with ext4 and XFS, mounted below ${directory}`,
          'processes that write to them',
        ]
      : [];
  const created = [
    ...machine,
    `a tracefs instance ${stateName} (the kernel tells it of every write) and its memory in ${memoryDirectory}`,
    `an encrypted vault in ${vault ?? `${directory}/vault`}`,
  ];
  return [
    'Holdfast: protects a machine while it is being written to, recovers it, and has every byte checked.',
    '',
    `  installs   ${missing.length === 0 ? 'nothing, all tools are here' : `Debian packages: ${missing.join(' ')}`}`,
    ...disks.map((disk, index) => `${index === 0 ? '  reads      ' : '             '}${disk}, a disk of yours; nothing is written to it`),
    ...created.map((thing, index) => `${index === 0 ? '  creates    ' : '             '}${thing}`),
    `  removes    ${keep ? 'devices, mounts, processes and the instance; --keep leaves the files' : 'all of it, at the end or on Ctrl-C'}`,
    `  takes      about ${formatSeconds(minutes * 60 + AROUND_SECONDS)} (--seed ${seed} repeats this run)`,
    '',
  ];
};
