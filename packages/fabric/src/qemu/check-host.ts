import { constants } from 'node:fs';
import { access, readFile, stat, statfs } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import path from 'node:path';
import type { FabricFinding } from '../fabric.ts';
import type { MachineShape } from '../machine-shape.ts';
import { type Acceleration, qemuVersion } from './acceleration.ts';
import { isBridge } from './bridge.ts';
import { DIRECTORY_LIMIT } from './machine-directory.ts';
import { findUefi } from './uefi-firmware.ts';

/** QEMU that pauses machines at errors of NBD and copies in subclusters. */
const OLDEST = 5.2;
const GIB = 2 ** 30;

const inGib = (bytes: number): string => `${(bytes / GIB).toFixed(1)} GiB`;
const isOnPath = async (program: string): Promise<boolean> => {
  for (const directory of program.includes('/') ? [''] : (process.env['PATH'] ?? '').split(':'))
    if (
      await access(path.join(directory, program), constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return true;
  return false;
};

/** What the kernel could give to a new program. */
const availableMemory = async (): Promise<number> => {
  const [, kib] = /^MemAvailable:\s+(\d+) kB/m.exec(await readFile('/proc/meminfo', 'latin1').catch(() => '')) ?? [];
  return kib === undefined ? totalmem() : Number(kib) * 1024;
};

const checkQemu = async (program: string): Promise<FabricFinding> => {
  const remedy = 'install it: on Debian `apt install qemu-system-x86`';
  try {
    const version = await qemuVersion(program);
    if (version < OLDEST) return { name: 'qemu', level: 'error', message: `QEMU ${version} is too old, ${OLDEST} is needed`, remedy };
    return { name: 'qemu', level: 'good', message: `QEMU ${version}` };
  } catch {
    return { name: 'qemu', level: 'error', message: `${program} is not installed`, remedy };
  }
};

const checkTools = async (): Promise<FabricFinding> =>
  (await isOnPath('qemu-img'))
    ? { name: 'qemu-img', level: 'good', message: 'qemu-img is installed' }
    : { name: 'qemu-img', level: 'error', message: 'qemu-img is not installed', remedy: 'install it: on Debian `apt install qemu-utils`' };

const checkAcceleration = (acceleration: Acceleration): FabricFinding =>
  acceleration === 'kvm'
    ? { name: 'acceleration', level: 'good', message: 'KVM: machines run at full speed' }
    : {
        name: 'acceleration',
        level: 'warning',
        message: 'no KVM: processors are emulated, machines run ten times slower or worse',
        remedy:
          'use a host whose processor can run machines (vmx or svm), switch that on in its firmware, and see that /dev/kvm may be used',
      };

const checkUefi = async (needed: boolean): Promise<FabricFinding> =>
  (await findUefi()) !== undefined
    ? { name: 'uefi', level: 'good', message: 'UEFI firmware is installed' }
    : {
        name: 'uefi',
        level: needed ? 'error' : 'warning',
        message: 'UEFI firmware (OVMF) is not installed: machines that start by UEFI cannot be recovered here',
        remedy: 'install it: on Debian `apt install ovmf`',
      };

const checkDirectory = async (directory: string, wanted: MachineShape | undefined): Promise<FabricFinding[]> => {
  if (Buffer.byteLength(directory) > DIRECTORY_LIMIT)
    return [
      {
        name: 'directory',
        level: 'error',
        message: `the path ${directory} is longer than ${DIRECTORY_LIMIT} bytes: Unix sockets would not fit in it`,
        remedy: 'choose a shorter one: `recovery.machines` of a process server, `--directory` of `holdfast recover`',
      },
    ];
  let there = directory;
  while ((await stat(there).catch(() => undefined)) === undefined && there !== path.dirname(there)) there = path.dirname(there);
  const { bavail, bsize } = await statfs(there);
  const free = bavail * bsize;
  const size = wanted?.disks.reduce((sum, disk) => sum + disk.size, 0) ?? 0;
  if (free >= size && free > GIB) return [{ name: 'space', level: 'good', message: `${inGib(free)} are free at ${there}` }];
  return [
    {
      name: 'space',
      level: 'warning',
      message: `${inGib(free)} are free at ${there}${size > free ? `, and the disks have ${inGib(size)} when all of them is copied` : ''}`,
      remedy: 'a machine is paused when there is no room for what it writes; choose a larger file system',
    },
  ];
};

const checkSize = async ({ cpus: processors, memoryBytes }: MachineShape): Promise<FabricFinding[]> => {
  const available = await availableMemory();
  const there = cpus().length;
  return [
    memoryBytes <= available
      ? { name: 'memory', level: 'good', message: `${inGib(available)} are available` }
      : {
          name: 'memory',
          level: memoryBytes <= totalmem() ? 'warning' : 'error',
          message: `the machine wants ${inGib(memoryBytes)} of memory, and ${inGib(available)} are available`,
          remedy: 'give it less, or use a larger host',
        },
    ...(processors <= there
      ? []
      : [
          {
            name: 'processors',
            level: 'warning' as const,
            message: `the machine wants ${processors} processors, and the host has ${there}`,
            remedy: 'give it fewer',
          },
        ]),
  ];
};

const checkBridges = async ({ networks }: MachineShape): Promise<FabricFinding[]> => {
  const bridges = new Set(networks.flatMap(({ attachment }) => (attachment.kind === 'bridge' ? [attachment.bridge] : [])));
  const findings: FabricFinding[] = [];
  for (const bridge of bridges) {
    if (!(await isBridge(bridge)))
      findings.push({ name: 'bridge', level: 'error', message: `the host has no bridge ${bridge}`, remedy: 'make it, or name another' });
    else if (process.getuid?.() !== 0)
      findings.push({ name: 'bridge', level: 'error', message: `plugging into bridge ${bridge} needs root`, remedy: 'run as root' });
    else findings.push({ name: 'bridge', level: 'good', message: `bridge ${bridge}` });
  }
  return findings;
};

export const checkHost = async (
  program: string,
  directory: string,
  acceleration: Acceleration,
  wanted: MachineShape | undefined,
): Promise<FabricFinding[]> => [
  await checkQemu(program),
  await checkTools(),
  checkAcceleration(acceleration),
  await checkUefi(wanted?.firmware === 'uefi'),
  ...(await checkDirectory(directory, wanted)),
  ...(wanted === undefined ? [] : [...(await checkSize(wanted)), ...(await checkBridges(wanted))]),
];
