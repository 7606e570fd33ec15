import { MACHINE_TOOLS, type ToolGroup } from '../setup/machine-tools.ts';
import { isPresent } from '../setup/presence.ts';
import { vaultFolder } from './lab-vault.ts';
import type { LabOptions } from './options.ts';
import { formatBytes, formatSeconds } from './output/format.ts';

/** Groups of tools the lab uses. */
export const LAB_TOOLS: readonly ToolGroup[] = ['filesystems', 'nbd'];

/** Debian packages a run would have to install. */
export const missingPackages = (present: (proof: string) => boolean = isPresent): string[] =>
  MACHINE_TOOLS.filter(({ groups, proof }) => groups.some((group) => LAB_TOOLS.includes(group)) && !present(proof)).map(({ apt }) => apt);

/** What a run works on: disks of its own, disks of the user's, or an image file where there is no right to disks. */
export type LabKind = 'ledger' | 'disks' | 'image';

export interface Plan {
  readonly kind: LabKind;
  readonly options: LabOptions;
  readonly directory: string;
  readonly memoryDirectory: string;
  readonly imageSize: number;
  /** Packages that will be installed. */
  readonly missing: readonly string[];
}

/** Set-up, first copy and verification, beside the minutes under load. */
const AROUND_SECONDS: Readonly<Record<LabKind, number>> = { ledger: 75, disks: 40, image: 25 };

/** Why there is only an image file, and what is left out therefore. */
const leftOut = (): string[] => {
  const why = process.platform === 'linux' ? 'Not root' : 'Not Linux';
  return [
    `${why}: this run shows less than \`npm start\` as root on Linux. Left out: real disks and file systems under load, the kernel's trace of`,
    'writes (changes are found by reading everything), exact points while writes go on (here points are cut between bursts of writes), the',
    'databases and their ledger (every block of a recovered point is compared with what the image held instead).',
    '',
  ];
};

const PROGRAMS = 'a configuration server, a process server and an agent, on ports of 127.0.0.1';

const createdBy = ({ kind, options, directory, memoryDirectory, imageSize }: Plan): string[] => {
  const folder = vaultFolder(options, directory);
  const vault = [
    `an encrypted vault in ${folder ?? 'Azure Blob storage: Azurite, a process of its own too'}`,
    `processes of Holdfast's programs: ${PROGRAMS}; what they keep in ${directory}`,
  ];
  if (kind === 'image') return [`an image file of ${formatBytes(imageSize)} in ${directory}, and what writes to it`, ...vault];
  const trace = `a tracefs instance holdfast-<id of the machine> (the kernel tells it of every write) and its memory in ${memoryDirectory}`;
  if (kind === 'disks') return [trace, ...vault];
  return [
    `two loop devices over sparse files of ${formatBytes(options.diskSize)}, with ext4 and XFS, mounted below ${directory}`,
    'processes that write to them',
    trace,
    ...vault,
  ];
};

/** Puts a heading before the first line and room for it before the others. */
const listed = (heading: string, lines: readonly string[]): string[] =>
  lines.map((line, index) => `  ${(index === 0 ? heading : '').padEnd(10)} ${line}`);

/** What is going to happen to this machine, said before any of it does. */
export const announce = (plan: Plan): string[] => {
  const { kind, options, missing } = plan;
  const { disks, keep, minutes, seed } = options;
  return [
    'Holdfast: protects a machine while it is being written to, recovers it, and has every byte checked.',
    '',
    ...(kind === 'image' ? leftOut() : []),
    ...listed('installs', [missing.length === 0 ? 'nothing' : `Debian packages: ${missing.join(' ')}`]),
    ...listed(
      'reads',
      disks.map((disk) => `${disk}, a disk of yours; nothing is written to it`),
    ),
    ...listed('creates', createdBy(plan)),
    ...listed('removes', [
      keep ? 'devices, mounts, processes and the instance; --keep leaves the files' : 'all of it, at the end or on Ctrl-C',
    ]),
    ...listed('takes', [`about ${formatSeconds(minutes * 60 + AROUND_SECONDS[kind])} (--seed ${seed} repeats this run)`]),
    '',
  ];
};
