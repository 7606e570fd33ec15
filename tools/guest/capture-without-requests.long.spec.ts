import path from 'node:path';
import { type Guest, startGuest } from './index.ts';

const WORKSPACE = path.resolve(__dirname, '../..');
const PROGRAMS = '/share/packages/mobility-agent/src/capture/testing';
const PATIENCE_MS = 1_800_000;

/** Disks the kernel handles without requests, all of zeroes: LVM over two disks in stripes of 4 KiB, LUKS, a mirror; and a larger LVM. */
const STACK = `
  set -e
  modprobe dm-mod
  modprobe dm-crypt
  modprobe raid1
  cd /dev/disk/by-serial
  pvcreate -q disk0 disk1
  vgcreate -q vg disk0 disk1
  lvcreate -q -y -Wn -Zn -n striped -i 2 -I 4k -L 16M vg
  lvcreate -q -y -Wn -Zn -n large -i 2 -I 64k -L 320M vg
  printf secretsecret | cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 disk2 -
  printf secretsecret | cryptsetup open disk2 luks -
  mdadm --create /dev/md1 --run --metadata=1.2 --assume-clean --level=1 -n 2 disk3 disk4 </dev/null
  udevadm settle
  head -c 16M /dev/zero | dd of=/dev/mapper/luks bs=1M iflag=fullblock oflag=direct
`;
const MIB = 1 << 20;

let guest: Guest;

beforeAll(async () => {
  guest = await startGuest({
    disks: [256, 256, 48, 24, 24].map((mebibytes) => ({ bus: 'virtio', sizeBytes: mebibytes * MIB })),
    memoryMiB: 2048,
    share: { '/share': WORKSPACE },
  });
  await guest.output(STACK);
}, PATIENCE_MS);

afterAll(async () => guest?.stop(), PATIENCE_MS);

/** What a program printed last; it may have found something wrong. */
const outcomeOf = async (program: string, ...args: (string | number)[]): Promise<Record<string, unknown>> => {
  const command = `node --conditions=@holdfast/source ${PROGRAMS}/${program} ${args.join(' ')}`;
  const { stdout, stderr } = await guest.run(command, { timeoutSeconds: 900 });
  try {
    return JSON.parse(stdout.trim().split('\n').at(-1)!);
  } catch {
    throw new Error(`${program} printed ${stdout} ${stderr}`);
  }
};

describe('capture of disks without requests in a guest', () => {
  test(
    'cuts of LVM stripes, LUKS and a mirror are exact prefixes across all three, with writes that are split',
    async () => {
      const disks = ['/dev/vg/striped', '/dev/mapper/luks', '/dev/md1'];
      const outcome = await outcomeOf('exact-prefix-main.ts', '--span=4', 20_000, 5000, ...disks);
      expect(outcome['wrong']).toEqual([]);
      expect(outcome['points']).toBeGreaterThan(3);
    },
    PATIENCE_MS,
  );

  test(
    'whoever takes what is told of ends for all that was written has wrong points',
    async () => {
      await guest.output('head -c 16M /dev/zero | dd of=/dev/vg/striped bs=1M iflag=fullblock oflag=direct');
      const outcome = await outcomeOf('exact-prefix-main.ts', '--span=4', '--trust-ends', 10_000, 5000, '/dev/vg/striped');
      expect(outcome['points']).toBeGreaterThan(3);
      expect(outcome['wrong']).not.toEqual([]);
    },
    PATIENCE_MS,
  );

  test(
    'a file system on LVM that discards is the disk it was',
    async () => {
      const outcome = await outcomeOf('discard-main.ts', '/dev/vg/large');
      expect(outcome['differing']).toBe(0);
    },
    PATIENCE_MS,
  );

  test(
    'members of arrays are refused, by the name of what to protect instead',
    async () => {
      const script =
        "import { identifyDevice } from '/share/packages/mobility-agent/src/trace/device.ts'; identifyDevice(process.argv[1]);";
      const { stderr } = await guest.run(
        `cd /share && node --conditions=@holdfast/source --input-type=module -e "${script}" /dev/disk/by-serial/disk3`,
      );
      expect(stderr).toMatch(/DEVICE_UNSUPPORTED.*a member of the array md1; protect \/dev\/md1 instead/);
    },
    PATIENCE_MS,
  );
});
