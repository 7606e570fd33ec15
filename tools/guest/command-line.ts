import { parseArgs } from 'node:util';
import { HoldfastError } from '@holdfast/errors';
import { DISK_BUSES, type DiskBus, type GuestDiskOptions } from './disks.ts';

export const HELP = `A small Debian server in QEMU: virtio, NVMe and SCSI disks, md, dm, netem, reboots, power cuts. No KVM needed.

Usage: npm run guest [-- OPTIONS]

Without --run it gives a root shell on the guest's serial console; exit ends it, Ctrl-] cuts its power.

  --run SCRIPT       run a bash script in the guest, print what it printed, end with its status
  --disk BUS:WHAT    a disk; BUS is virtio, nvme or scsi, WHAT a size (512M, 4G) or the path of a raw image or block device;
                     may be repeated; the guest has them as /dev/disk/by-serial/disk0, disk1, …
  --share DIR        a directory the guest reads at /share instead of the workspace
  --network          let the guest reach this host's loopback, as 10.0.2.2
  --memory MIB       memory of the guest (1024)
  --processors N     processors of the guest (2)
  --append WORDS     words for the kernel command line
  --help             this text

Node 24 is in the guest; the workspace is at /share, read-only: node --conditions=@holdfast/source /share/FILE.ts
The first start builds the image out of Debian packages, as root (about a minute), and keeps it in .guest/.
What the guest writes outside its disks is gone after a reboot.`;

export interface GuestCommand {
  readonly help: boolean;
  readonly run: string | undefined;
  readonly disks: readonly GuestDiskOptions[];
  readonly share: string | undefined;
  readonly network: 'none' | 'user';
  readonly memoryMiB: number;
  readonly processors: number;
  readonly append: string;
}

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 1 << 10, M: 1 << 20, G: 1 << 30, T: 2 ** 40 };

const invalid = (thing: string, why: string, remedy: string): HoldfastError => new HoldfastError('SETTING_INVALID', { thing, why, remedy });

const parseDisk = (text: string): GuestDiskOptions => {
  const colon = text.indexOf(':');
  const bus = text.slice(0, Math.max(colon, 0)) as DiskBus;
  const what = text.slice(colon + 1);
  if (!DISK_BUSES.includes(bus)) throw invalid(`--disk ${text}`, 'it names no bus', `write ${DISK_BUSES.join(':…, ')}:…`);
  const [, number, unit] = /^(\d+)([KMGT]?)$/.exec(what) ?? [];
  if (number !== undefined) return { bus, sizeBytes: Number(number) * UNITS[unit!]! };
  if (what === '') throw invalid(`--disk ${text}`, 'it has neither size nor path', `write --disk ${bus}:1G`);
  return { bus, path: what };
};

const parseCount = (name: string, text: string): number => {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw invalid(`--${name} ${text}`, 'no positive whole number', 'give one');
  return Number(text);
};

/** Reads the arguments of `npm run guest`. */
export const parseCommandLine = (args: readonly string[]): GuestCommand => {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(args);
  } catch (reason) {
    const [why] = (reason as Error).message.split('. ');
    throw new HoldfastError('SETTING_UNKNOWN', { thing: 'npm run guest', why: why!, remedy: 'see --help', cause: reason });
  }
  return {
    help: values.help,
    run: values.run,
    disks: values.disk.map(parseDisk),
    share: values.share,
    network: values.network ? 'user' : 'none',
    memoryMiB: parseCount('memory', values.memory),
    processors: parseCount('processors', values.processors),
    append: values.append,
  };
};

const parse = (args: readonly string[]) =>
  parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', default: false },
      run: { type: 'string' },
      disk: { type: 'string', multiple: true, default: [] },
      share: { type: 'string' },
      network: { type: 'boolean', default: false },
      memory: { type: 'string', default: '1024' },
      processors: { type: 'string', default: '2' },
      append: { type: 'string', default: '' },
    },
  }).values;
