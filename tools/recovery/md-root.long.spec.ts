// A mirror made by mdadm and the kernel of a guest, opened, adapted and checked here without an md driver, and looked at by that kernel again.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type BlockDevice, openFileDevice } from '@holdfast/block';
import { createAdaptation, openGuest } from '@holdfast/fabric';
import { createNbdServer, type NbdServer } from '@holdfast/nbd';
import { type Guest, startGuest } from '../guest/index.ts';

const PATIENCE_MS = 1_200_000;
const MIB = 2 ** 20;

/** A file system that a system starts from lies on a mirror of partitions (version 1.2); a volume group on one of whole disks (1.0); and there is a RAID 0. */
const MAKE = `
  set -e
  modprobe raid1; modprobe raid0; modprobe dm-mod
  cd /dev/disk/by-serial
  for disk in disk0 disk1; do printf 'label: gpt\\n,100MiB\\n,100MiB\\n' | sfdisk -q $PWD/$disk; done
  udevadm settle
  first=$(readlink -f $PWD/disk0) second=$(readlink -f $PWD/disk1)
  mdadm --create /dev/md0 --run --homehost=db1 --name=0 --metadata=1.2 --level=1 -n 2 \${first}1 \${second}1 </dev/null
  mdadm --create /dev/md5 --run --homehost=db1 --name=5 --metadata=1.2 --level=0 -n 2 \${first}2 \${second}2 </dev/null
  mdadm --create /dev/md1 --run --homehost=db1 --name=1 --metadata=1.0 --level=1 -n 2 $PWD/disk2 $PWD/disk3 </dev/null
  udevadm settle
  mkfs.ext4 -q /dev/md0
  mount /dev/md0 /mnt
  mkdir -p /mnt/etc /mnt/var/lib/holdfast/agent/identity
  echo '/dev/md0 / ext4 defaults 0 1' >/mnt/etc/fstab
  echo 'PRETTY_NAME="On a mirror"' >/mnt/etc/os-release
  echo '{}' >/mnt/var/lib/holdfast/agent/identity/identity.json
  head -c 20M /dev/urandom >/mnt/data
  sha256sum </mnt/data >/mnt/sum
  umount /mnt
  pvcreate -q /dev/md1
  vgcreate -q vg /dev/md1
  lvcreate -q -y -Wn -Zn -n srv -L 40M vg
  mkfs.ext4 -q /dev/vg/srv
  vgchange -q -an vg
  mdadm --wait /dev/md0 /dev/md1 || true
  mdadm --stop /dev/md0; mdadm --stop /dev/md1; mdadm --stop /dev/md5
  sync
`;

/** In how many sectors the members of the mirror differ, what its file system says, and what was written here. */
const LOOK = `
  set -e
  modprobe raid1
  cd /dev/disk/by-serial
  udevadm settle
  mdadm --stop --scan || true
  first=$(readlink -f $PWD/disk0) second=$(readlink -f $PWD/disk1)
  mdadm --assemble /dev/md0 \${first}1 \${second}1
  grep -q UU /proc/mdstat
  echo check >/sys/block/md0/md/sync_action
  mdadm --wait /dev/md0 || true
  echo "differing $(cat /sys/block/md0/md/mismatch_cnt)"
  e2fsck -f -n /dev/md0 >/dev/null
  mount -o ro /dev/md0 /mnt
  [ "$(sha256sum </mnt/data)" = "$(cat /mnt/sum)" ]
  ls /mnt/var/lib/holdfast/agent/identity
`;

describe.unless(lacks('root', 'nbdfuse', 'losetup', 'qemu-system-x86_64'), 'a root on a mirror of md', () => {
  let guest: Guest | undefined;
  let directory: string | undefined;
  let server: NbdServer | undefined;
  const devices: BlockDevice[] = [];
  const closeDisks = async (): Promise<void> => {
    await server?.close();
    server = undefined;
    for (const device of devices.splice(0)) await device.close();
  };
  afterEach(async () => {
    await closeDisks();
    await guest?.stop();
    if (directory !== undefined) await rm(directory, { recursive: true });
  }, PATIENCE_MS);

  it(
    'is opened by this process alone and adapted on all of its members',
    async () => {
      const scratch = await mkdtemp(path.join(tmpdir(), 'hf-md-'));
      directory = scratch;
      guest = await startGuest({ disks: [256, 256, 96, 96].map((mebibytes) => ({ bus: 'virtio', sizeBytes: mebibytes * MIB })) });
      await guest.output(MAKE, { timeoutSeconds: 600 });
      await guest.shutDown();

      const exports = new Map<string, { device: BlockDevice; description: string }>();
      for (const [at, disk] of guest.disks.entries()) {
        const device = await openFileDevice(disk.path);
        devices.push(device);
        exports.set(`d${at}`, { device, description: disk.serial });
      }
      const served = await createNbdServer({ exports, listen: { path: path.join(scratch, 's') }, onError: () => {} });
      server = served;
      const disks = devices.map((device, at) => ({ id: `d${at}`, name: `vd${'abcd'[at]}`, uri: served.uri(`d${at}`), device }));
      const { signal } = new AbortController();
      const request = { manifest: undefined, controller: undefined, firmware: 'bios', network: { kind: 'none' }, disks, signal } as const;
      const { report } = await createAdaptation({ scratch: path.join(scratch, 'adapt'), pointTime: 0 })(request);
      expect(report).toEqual(expect.arrayContaining(['On a mirror', expect.stringContaining('agent: change')]));
      const open = await openGuest(disks, { scratch: path.join(scratch, 'adapt'), signal, rootHints: [] });
      expect(open.linux?.root).toMatchObject({ name: 'md0', type: 'ext4' });
      expect(open.volumes.map(({ name }) => name)).toContain('vg-srv');
      expect(open.notes).toEqual([expect.stringContaining('md5 could not be opened: it is RAID 0')]);
      await open.close();
      expect(await readdir(path.join(scratch, 'adapt'))).toEqual([]);
      for (const device of devices) await device.flush();
      await closeDisks();

      await guest.start();
      const seen = await guest.output(LOOK, { timeoutSeconds: 600 });
      expect(seen.split('\n').slice(-3)).toEqual(['differing 0', 'identity.json', 'recovered.json']);
    },
    PATIENCE_MS,
  );
});
