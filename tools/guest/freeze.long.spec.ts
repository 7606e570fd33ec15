import path from 'node:path';
import { type Guest, startGuest } from './index.ts';

const WORKSPACE = path.resolve(__dirname, '../..');
const PROGRAM = '/share/packages/mobility-agent/src/hold/testing/freeze-main.ts';
const PATIENCE_MS = 1_200_000;
const MIB = 1 << 20;
/** Milliseconds for which file systems are frozen: writers that were not would write meanwhile. */
const FROZEN_MS = 3000;

/** Volumes of LVM on LUKS on a partition, and a file system in a file of one of them; btrfs over two disks; a mirror; and a writer for each. */
const STACK = `
  set -e
  modprobe -a dm-mod dm-crypt raid1 loop btrfs
  cd /dev/disk/by-serial
  echo ',,L' | sfdisk -q $PWD/disk0
  udevadm settle
  part=$(readlink -f $PWD/disk0)1
  printf secretsecret | cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 $part -
  printf secretsecret | cryptsetup open $part luks -
  pvcreate -q /dev/mapper/luks
  vgcreate -q vg /dev/mapper/luks
  lvcreate -q -y -Wn -Zn -n srv -L 64M vg
  mkfs.ext4 -q /dev/vg/srv
  mkdir -p /mnt/srv /mnt/pool /mnt/mirror
  mount /dev/vg/srv /mnt/srv
  mkdir /mnt/srv/guest
  truncate -s 16M /mnt/srv/image
  mkfs.ext4 -q /mnt/srv/image
  mount -o loop /mnt/srv/image /mnt/srv/guest
  mkfs.btrfs -q $PWD/disk1 $PWD/disk2
  mount $PWD/disk1 /mnt/pool
  mdadm --create /dev/md1 --run --metadata=1.2 --assume-clean --level=1 -n 2 $PWD/disk3 $PWD/disk4 </dev/null
  mkfs.ext4 -q /dev/md1
  mount /dev/md1 /mnt/mirror
  for place in /mnt/srv /mnt/srv/guest /mnt/pool /mnt/mirror; do
    (while :; do dd if=/dev/urandom of=$place/file bs=64k count=4 conv=fsync status=none; done) </dev/null >/dev/null 2>&1 &
  done
`;

let guest: Guest;

beforeAll(async () => {
  guest = await startGuest({
    disks: [128, 128, 128, 24, 24].map((mebibytes) => ({ bus: 'virtio', sizeBytes: mebibytes * MIB })),
    memoryMiB: 1536,
    share: { '/share': WORKSPACE },
  });
  await guest.output(STACK);
}, PATIENCE_MS);

afterAll(async () => guest?.stop(), PATIENCE_MS);

interface Outcome {
  readonly chosen: readonly string[];
  readonly held: number;
  readonly after: number;
  readonly report: { readonly broken?: string; readonly frozen: readonly string[]; readonly problems: readonly string[] };
}

test(
  'file systems on LVM on LUKS, in files of those, of several disks and on arrays are frozen under their writers; nothing reaches the disk meanwhile',
  async () => {
    const disks = [...['disk0', 'disk1', 'disk2'].map((serial) => `/dev/disk/by-serial/${serial}`), '/dev/md1'];
    const printed = await guest.output(`node --conditions=@holdfast/source ${PROGRAM} ${FROZEN_MS} ${disks.join(' ')}`, {
      timeoutSeconds: 900,
    });
    const outcomes = printed.split('\n').map((line) => JSON.parse(line) as Outcome);
    const expected = [['/mnt/srv/guest', '/mnt/srv'], ['/mnt/pool'], ['/mnt/pool'], ['/mnt/mirror']];
    expect(outcomes.map(({ chosen }) => chosen)).toEqual(expected);
    expect(outcomes.map(({ report }) => report)).toEqual(
      expected.map((frozen) => expect.objectContaining({ frozen, problems: [], moving: [] })),
    );
    expect(outcomes.map(({ report }) => report.broken)).toEqual(expected.map(() => undefined));
    expect(outcomes.map(({ held }) => held)).toEqual(expected.map(() => 0));
    for (const { after } of outcomes) expect(after).toBeGreaterThan(0);
  },
  PATIENCE_MS,
);
