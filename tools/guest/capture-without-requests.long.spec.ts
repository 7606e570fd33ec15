import path from 'node:path';
import { type Guest, startGuest } from './index.ts';
import { outcomeOf } from './outcome.ts';

const WORKSPACE = path.resolve(__dirname, '../..');
const PROGRAMS = '/share/packages/mobility-agent/src';
const PATIENCE_MS = 1_800_000;

/** Disks the kernel handles without requests, all of zeroes: LVM over two disks in stripes of 4 KiB, LUKS, a mirror; and a larger LVM. */
const STACK = `
  set -e
  modprobe dm-mod
  modprobe dm-crypt
  modprobe raid1
  cd /dev/disk/by-serial
  pvcreate -q $PWD/disk0 $PWD/disk1
  vgcreate -q vg $PWD/disk0 $PWD/disk1
  lvcreate -q -y -Wn -Zn -n striped -i 2 -I 4k -L 16M vg
  lvcreate -q -y -Wn -Zn -n large -i 2 -I 64k -L 320M vg
  printf secretsecret | cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 $PWD/disk2 -
  printf secretsecret | cryptsetup open $PWD/disk2 luks -
  mdadm --create /dev/md1 --run --metadata=1.2 --assume-clean --level=1 -n 2 $PWD/disk3 $PWD/disk4 </dev/null
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

/** The rights that the agent's unit leaves it (deploy/systemd). */
const AS_SERVICE =
  'setpriv --bounding-set=-all,+sys_admin,+sys_rawio,+dac_read_search,+dac_override,+fowner,+ipc_lock,+setuid,+setgid,+kill';

const LONG = { timeoutSeconds: 900 };

const commandOf = (program: string, ...args: (string | number)[]): string =>
  `node --conditions=@holdfast/source ${PROGRAMS}/${program} ${args.map((arg) => `'${arg}'`).join(' ')}`;

const run = (program: string, ...args: (string | number)[]): Promise<Record<string, unknown>> =>
  outcomeOf(guest, commandOf(program, ...args), LONG);

/** What becomes of a disk that is attached, and of a script that writes to it. */
const attach = (device: string, ...scripts: string[]): Promise<Record<string, unknown>> =>
  run('trace/testing/attach-main.ts', device, ...scripts);

describe('capture of disks without requests in a guest', () => {
  test(
    'cuts of LVM stripes, LUKS and a mirror are exact prefixes across all three, with writes that are split',
    async () => {
      const disks = ['/dev/vg/striped', '/dev/mapper/luks', '/dev/md1'];
      const outcome = await run('capture/testing/exact-prefix-main.ts', '--span=4', 40_000, 5000, ...disks);
      expect(outcome['wrong']).toEqual([]);
      expect(outcome['writes']).toBeGreaterThan(50);
      expect(outcome['points']).toBeGreaterThan(3);
    },
    PATIENCE_MS,
  );

  test(
    'whoever takes what is told of ends for all that was written has wrong points',
    async () => {
      await guest.output('head -c 16M /dev/zero | dd of=/dev/vg/striped bs=1M iflag=fullblock oflag=direct');
      const command = commandOf('capture/testing/exact-prefix-main.ts', '--span=4', '--trust-ends', 20_000, 5000, '/dev/vg/striped');
      const outcome = await outcomeOf(guest, command, { ...LONG, mayFail: true });
      expect(outcome['writes']).toBeGreaterThan(50);
      expect(outcome['wrong']).not.toEqual([]);
    },
    PATIENCE_MS,
  );

  test(
    'cuts of a volume under writers that do not rest are read out of snapshots, exact prefixes too; none is left, and one without room is told',
    async () => {
      await guest.output('head -c 16M /dev/zero | dd of=/dev/vg/striped bs=1M iflag=fullblock oflag=direct');
      const program = 'capture/testing/exact-prefix-main.ts';
      const snapshots = (milliseconds: number) =>
        outcomeOf(guest, `${AS_SERVICE} ${commandOf(program, '--snapshots', milliseconds, 0, '/dev/vg/striped')}`, LONG);
      const volumes = 'lvs --noheadings -o lv_name vg | xargs';
      // The agent may not load what the kernel lacks, and says what to do.
      const without = await snapshots(20_000);
      expect(without).toMatchObject({ wrong: [], snapshots: 0 });
      expect(String(without['problems'])).toMatch(/HOLD_FAILED.*lvcreate.*modprobe dm_snapshot/s);
      await guest.output('modprobe dm_snapshot');
      const outcome = await snapshots(60_000);
      expect(outcome).toMatchObject({ wrong: [], problems: [] });
      expect(outcome['snapshots']).toBeGreaterThan(0);
      expect(await guest.output(volumes)).toBe('large striped');
      await guest.output('lvcreate -q -y -Wn -Zn -n rest -l 100%FREE vg');
      const full = await snapshots(20_000);
      expect(full).toMatchObject({ wrong: [], snapshots: 0 });
      expect(String(full['problems'])).toMatch(/HOLD_FAILED.*lvcreate/);
      await guest.output('lvremove -q -f vg/rest');
    },
    PATIENCE_MS,
  );

  test(
    'requests that are put back and issued again are in flight all the while',
    async () => {
      // A disk in memory that is too busy for every seventh command.
      const { stdout } = await guest.run(`
        modprobe scsi_debug dev_size_mb=16 every_nth=7 opts=0x8000
        udevadm settle
        mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing
        mkdir /sys/kernel/tracing/instances/count
        echo 1 > /sys/kernel/tracing/instances/count/events/block/block_rq_requeue/enable
        ls /sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*/block
      `);
      const outcome = await run('capture/testing/exact-prefix-main.ts', 10_000, 5000, `/dev/${stdout.trim().split('\n').at(-1)}`);
      expect(outcome['wrong']).toEqual([]);
      expect(outcome['points']).toBeGreaterThan(3);
      expect(Number(await guest.output('grep -c block_rq_requeue /sys/kernel/tracing/instances/count/trace'))).toBeGreaterThan(10);
    },
    PATIENCE_MS,
  );

  test(
    'a file system on LVM that discards is the disk it was',
    async () => {
      const outcome = await run('capture/testing/discard-main.ts', '/dev/vg/large');
      expect(outcome['differing']).toBe(0);
    },
    PATIENCE_MS,
  );

  test(
    'writes to a partition of a mirror, and what is swapped out to LVM, are named to the last sector',
    async () => {
      const partition =
        'echo "8192,8192,L" | sfdisk -q /dev/md1; udevadm settle; dd if=/dev/urandom of=/dev/md1p1 bs=4k count=5 oflag=direct';
      expect(await attach('/dev/md1', partition)).toMatchObject({ bioBased: true, continuity: 'new', after: [{ dirtyBlocks: 6 }] });
      const squeezed = '/sys/fs/cgroup/squeezed';
      const swap = `
        echo +memory > /sys/fs/cgroup/cgroup.subtree_control
        mkdir ${squeezed}
        echo 32M > ${squeezed}/memory.max
        mkswap -f /dev/vg/large
        swapon /dev/vg/large
        (echo $BASHPID > ${squeezed}/cgroup.procs; exec dd if=/dev/zero of=/dev/null bs=64M count=1)
        swapoff /dev/vg/large
      `;
      const { after } = await attach('/dev/vg/large', swap);
      expect((after as { dirtyBlocks: number }[])[0]!.dirtyBlocks).toBeGreaterThan(100);
    },
    PATIENCE_MS,
  );

  test(
    'what cannot be traced is refused by name',
    async () => {
      const member = await attach('/dev/disk/by-serial/disk3');
      expect(member['refused']).toMatch(/DEVICE_UNSUPPORTED.*a member of the array md1; protect \/dev\/md1 instead/);
      await guest.output('modprobe null_blk nr_devices=1 gb=1 zoned=1 zone_size=64 memory_backed=1');
      expect((await attach('/dev/nullb0'))['refused']).toMatch(/DEVICE_UNSUPPORTED.*zoned/);
      // For good, as far as this guest is concerned.
      await guest.output('echo confidentiality > /sys/kernel/security/lockdown');
      expect((await attach('/dev/vg/striped'))['refused']).toMatch(/TRACEFS_UNAVAILABLE.*locked down/);
    },
    PATIENCE_MS,
  );
});
