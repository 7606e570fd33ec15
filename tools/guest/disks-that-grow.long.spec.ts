import path from 'node:path';
import { type Guest, startGuest } from './index.ts';
import { outcomeOf } from './outcome.ts';
import { quoted } from './shell.ts';

const WORKSPACE = path.resolve(__dirname, '../..');
const PROGRAM = '/share/packages/mobility-agent/src/capture/testing/changing-main.ts';
const ATTACH = '/share/packages/mobility-agent/src/trace/testing/attach-main.ts';
const MIB = 1 << 20;
const PATIENCE_MS = 1_800_000;

/** A volume of LVM that lies on one disk and may go on on another, and an encrypted one; all of random bytes below. */
const STACK = `
  set -e
  modprobe dm-mod
  modprobe dm-crypt
  cd /dev/disk/by-serial
  for disk in disk0 disk1; do head -c 48M /dev/urandom > $disk; done
  pvcreate -q -ff -y $PWD/disk0 $PWD/disk1
  vgcreate -q vg $PWD/disk0 $PWD/disk1
  lvcreate -q -y -Wn -Zn -n plain -L 8M vg $PWD/disk0
  lvcreate -q -y -Wn -Zn -n below -L 12M vg $PWD/disk0
  printf secretsecret | cryptsetup luksFormat -q --type luks1 --pbkdf-force-iterations 1000 --align-payload 2048 /dev/vg/below -
  printf secretsecret | cryptsetup open /dev/vg/below luks -
  udevadm settle
`;

let guest: Guest;

beforeAll(async () => {
  guest = await startGuest({
    disks: [
      { bus: 'virtio', sizeBytes: 48 * MIB },
      { bus: 'virtio', sizeBytes: 48 * MIB },
      { bus: 'virtio', sizeBytes: 8 * MIB },
      { bus: 'scsi', sizeBytes: 8 * MIB },
    ],
    memoryMiB: 2048,
    share: { '/share': WORKSPACE },
    // Processors that may come have rings too, which the kernel makes when they do. And 32 MiB of memory are a disk with direct access.
    append: 'possible_cpus=6 memmap=32M!1G',
  });
  await guest.output(STACK);
}, PATIENCE_MS);

afterAll(async () => guest?.stop(), PATIENCE_MS);

interface Outcome {
  readonly size: number;
  readonly after: readonly { readonly size: number; readonly none: number; readonly differing: number }[];
}

const capture = (device: string, ...scripts: string[]): Promise<Outcome> =>
  outcomeOf(guest, `node --conditions=@holdfast/source ${PROGRAM} ${device} ${scripts.map(quoted).join(' ')}`, { timeoutSeconds: 900 });

/** Writes one block of noise. */
const write = (device: string, block: number): string =>
  `dd if=/dev/urandom of=${device} bs=4k seek=${block} count=1 oflag=direct status=none`;

describe('disks that grow, and one that cannot be traced, in a guest', () => {
  test(
    'a disk that programs may write to past the kernel is refused by name',
    async () => {
      await guest.output('modprobe nd_e820; modprobe nd_pmem; udevadm settle; test -b /dev/pmem0');
      const attached = await outcomeOf(guest, `node --conditions=@holdfast/source ${ATTACH} /dev/pmem0`);
      expect(attached['refused']).toMatch(/DEVICE_UNSUPPORTED.*DAX/);
    },
    PATIENCE_MS,
  );

  test(
    'a volume of LVM, onto another disk; and what is written beneath it is not seen, which the comparison finds',
    async () => {
      expect(await guest.output('cat /sys/devices/system/cpu/{online,possible}')).toBe('0-1\n0-5');
      const { size, after } = await capture(
        '/dev/vg/plain',
        write('/dev/vg/plain', 5),
        `${write('/dev/vg/plain', 6)}; lvextend -q -L 24M vg/plain $(readlink -f /dev/disk/by-serial/disk1); ${write('/dev/vg/plain', 5000)}; ${write('/dev/vg/plain', 7)}`,
        write('/dev/vg/plain', 6000),
        // The volume's second half begins with the second disk's first extent, a MiB behind its beginning.
        write('/dev/disk/by-serial/disk1', 256 + 100),
      );
      expect(size).toBe(8 * MIB);
      expect(after.map((one) => one.size)).toEqual([8, 24, 24, 24].map((mebibytes) => mebibytes * MIB));
      expect(after.map(({ differing }) => differing)).toEqual([0, 0, 0, 1]);
      expect(after[0]!.none).toBe(0);
    },
    PATIENCE_MS,
  );

  test(
    'an encrypted one, whose volume grew',
    async () => {
      const { size, after } = await capture(
        '/dev/mapper/luks',
        `${write('/dev/mapper/luks', 6)}; lvextend -q -L 20M vg/below; printf secretsecret | cryptsetup resize luks -; ${write('/dev/mapper/luks', 3000)}`,
        write('/dev/mapper/luks', 3001),
      );
      // Two MiB are the header's.
      expect(size).toBe(10 * MIB);
      expect(after.map((one) => one.size)).toEqual([18 * MIB, 18 * MIB]);
      expect(after.map(({ differing }) => differing)).toEqual([0, 0]);
    },
    PATIENCE_MS,
  );

  test.each([
    ['virtio', 2, 'disk2'],
    ['SCSI', 3, 'disk3'],
  ])(
    'a %s disk, told by its hypervisor',
    async (_, index, serial) => {
      const device = `/dev/disk/by-serial/${serial}`;
      // The kernel learns of it by itself (virtio), or when it is asked to look (SCSI).
      const awaitGrowth = `
        touch /tmp/${serial}.ready
        name=$(basename $(readlink -f ${device}))
        for try in $(seq 600); do
          [ -e /sys/block/$name/device/rescan ] && echo 1 > /sys/block/$name/device/rescan
          [ $(blockdev --getsize64 ${device}) -gt ${8 * MIB} ] && break
          sleep 0.1
        done
      `;
      const captured = capture(device, `${write(device, 9)}; ${awaitGrowth} ${write(device, 3000)}`, write(device, 3001));
      await guest.output(`for try in $(seq 6000); do [ -e /tmp/${serial}.ready ] && exit 0; sleep 0.1; done; exit 1`, {
        timeoutSeconds: 900,
      });
      await guest.qmp('block_resize', { 'node-name': guest.disks[index]!.serial, size: 16 * MIB });
      const { after } = await captured;
      expect(after.map(({ size, differing }) => [size, differing])).toEqual([
        [16 * MIB, 0],
        [16 * MIB, 0],
      ]);
    },
    PATIENCE_MS,
  );
});
