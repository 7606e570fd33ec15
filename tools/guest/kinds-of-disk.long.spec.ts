import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { compilePrograms } from '../bundle/compile-programs.ts';
import { type Guest, startGuest } from './index.ts';
import { outcomeOf } from './outcome.ts';

/*
 * Kinds of disks, and what happens to them, that hosts seldom have: other levels of md and targets of the device mapper, disks of several paths, commands
 * past the block layer of NVMe, processors that come and go.
 */

const WORKSPACE = path.resolve(__dirname, '../..');
const PROGRAMS = ['capture/testing/exact-prefix-main', 'capture/testing/prefix-writer', 'trace/testing/attach-main'];
const PATIENCE_MS = 1_200_000;
const MIB = 1 << 20;

let guest: Guest | undefined;
let programs: string;

beforeAll(async () => {
  programs = await mkdtemp(path.join(tmpdir(), 'holdfast-guest-programs-'));
  const mains = PROGRAMS.map((program) => `packages/mobility-agent/src/${program}.ts`);
  await compilePrograms(programs, '/share', mains);
  guest = await startGuest({
    disks: [
      ...[32, 32, 32, 32].map((mebibytes) => ({ bus: 'virtio' as const, sizeBytes: mebibytes * MIB })),
      { bus: 'nvme', sizeBytes: 16 * MIB },
    ],
    memoryMiB: 2048,
    share: { '/share': WORKSPACE, '/programs': programs },
  });
}, PATIENCE_MS);

afterAll(async () => {
  await guest?.stop();
  await rm(programs, { recursive: true, force: true });
}, PATIENCE_MS);

const run = (program: string, ...args: (string | number)[]): Promise<Record<string, unknown>> =>
  outcomeOf(guest!, `node /programs/${program}.mjs ${args.map((arg) => `'${arg}'`).join(' ')}`, { timeoutSeconds: 300 });

/** What becomes of a disk that is attached, and of scripts that write to it. */
const attach = (device: string, ...scripts: string[]): Promise<Record<string, unknown>> => run('attach-main', device, ...scripts);

const write = (device: string, block: number, count: number): string =>
  `dd if=/dev/urandom of=${device} bs=4k seek=${block} count=${count} oflag=direct status=none`;

const array = (level: string, disks: string, options: string): string =>
  `mdadm --create /dev/md9 --run --metadata=1.2 --level=${level} ${options} -n ${disks.length} ${[...disks].map((letter) => `/dev/vd${letter}`).join(' ')} </dev/null`;
const STOP_ARRAY = 'mdadm --stop /dev/md9; for disk in /dev/vd[abcd]; do wipefs -qa $disk; blkdiscard -z $disk; done';
const GROUP = 'modprobe dm-thin-pool; modprobe dm-raid; pvcreate -q -ff -y /dev/vd[abcd]; vgcreate -q vg /dev/vd[abcd]';
const REMOVE_GROUP = 'vgremove -q -f vg; for disk in /dev/vd[abcd]; do pvremove -q -ff -y $disk; blkdiscard -z $disk; done';

describe('kinds of disks in a guest', () => {
  test.each([
    ['a striped array', array('0', 'ab', '-c 4'), '/dev/md9', STOP_ARRAY],
    ['a striped mirror', array('10', 'abcd', '-c 4 --assume-clean'), '/dev/md9', STOP_ARRAY],
    ['an array with parity', array('5', 'abc', '-c 4 --assume-clean'), '/dev/md9', STOP_ARRAY],
    [
      'a thin volume of LVM',
      `${GROUP}; lvcreate -q -y -Zn --type thin-pool -c 64k -L 24M -n pool vg; lvcreate -q -y -V 16M --thin -n thin vg/pool`,
      '/dev/vg/thin',
      REMOVE_GROUP,
    ],
    ['a mirror of LVM', `${GROUP}; lvcreate -q -y -Wn -Zn --type raid1 --nosync -L 16M -n mirrored vg`, '/dev/vg/mirrored', REMOVE_GROUP],
  ])(
    'cuts of %s are exact prefixes, with writes that are split',
    async (_, make, device, remove) => {
      await guest!.output(`set -e; ${make}\nudevadm settle; head -c 16M /dev/zero | dd of=${device} bs=1M iflag=fullblock oflag=direct`);
      try {
        const outcome = await run('exact-prefix-main', '--span=4', 15_000, 5000, device);
        expect(outcome['wrong']).toEqual([]);
        expect(outcome['writes']).toBeGreaterThan(50);
        expect(outcome['points']).toBeGreaterThan(3);
      } finally {
        await guest!.run(remove);
      }
    },
    PATIENCE_MS,
  );

  test(
    'what the kernel hands on uncounted is refused, and told what can be done',
    async () => {
      await guest!.output(`set -e; modprobe brd rd_nr=1 rd_size=16384; ${array('linear', 'ab', '')}\nudevadm settle`);
      for (const device of ['/dev/ram0', '/dev/md9'])
        expect((await attach(device))['refused']).toMatch(/DEVICE_UNSUPPORTED.*not counted; .*leave it out if it counts nothing even then/);
      await guest!.run(STOP_ARRAY);
    },
    PATIENCE_MS,
  );

  test(
    'an NVMe disk of two paths is refused by name; as it says, the module option makes disks of its paths that are taken',
    async () => {
      const target = '/sys/kernel/config/nvmet';
      const port = (number: number): string => `
        mkdir ${target}/ports/${number}
        cd ${target}/ports/${number}
        echo tcp > addr_trtype; echo ipv4 > addr_adrfam; echo 127.0.0.1 > addr_traddr; echo 442${number} > addr_trsvcid
        ln -s ${target}/subsystems/paths subsystems/paths
      `;
      const connect = [1, 2].map((path) => `nvme connect -t tcp -a 127.0.0.1 -s 442${path} -n paths`).join('; ');
      await guest!.output(`
        set -e
        modprobe -a nvmet-tcp nvme-tcp
        ip link set lo up
        mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
        mkdir ${target}/subsystems/paths ${target}/subsystems/paths/namespaces/1
        cd ${target}/subsystems/paths
        echo 1 > attr_allow_any_host
        echo -n /dev/vda > namespaces/1/device_path
        echo 1 > namespaces/1/enable
        ${port(1)} ${port(2)}
        mkdir -p /etc/nvme; echo nqn.2014-08.org.nvmexpress:uuid:$(cat /proc/sys/kernel/random/uuid) > /etc/nvme/hostnqn
        ${connect}
        udevadm settle
      `);
      const disks = async (): Promise<string[]> =>
        (
          await guest!.output(
            'for disk in /sys/block/nvme*n1; do [ -e $disk/dev ] && grep -lq paths $disk/device/subsysnqn $disk/device/*/subsysnqn 2>/dev/null && basename $disk; done; true',
          )
        )
          .split('\n')
          .filter((name) => name !== '');
      const [both, ...others] = await disks();
      expect(others).toEqual([]);
      expect((await attach(`/dev/${both}`))['refused']).toMatch(/DEVICE_UNSUPPORTED.*without requests, and .*nvme_core\.multipath=N/);
      await guest!.output(`set -e; nvme disconnect -n paths; modprobe -r nvme-tcp nvme-fabrics nvme nvme-core
        modprobe nvme-core multipath=N; modprobe -a nvme nvme-tcp; ${connect}; udevadm settle`);
      const [first, second] = await disks();
      expect(second).toBeDefined();
      expect(await attach(`/dev/${first}`, write(`/dev/${first}`, 7, 3))).toMatchObject({ bioBased: false, after: [{ dirtyBlocks: 3 }] });
      await guest!.output('nvme disconnect -n paths');
    },
    PATIENCE_MS,
  );

  test(
    'what a program writes to NVMe past the block layer ends continuity, what it asks does not',
    async () => {
      const { device } = guest!.disks[4]!;
      const asks = `nvme smart-log ${device}; nvme id-ctrl ${device}; nvme id-ns ${device}`;
      const writes = `head -c 4096 /dev/urandom | nvme write ${device} -s 8 -c 7 -z 4096`;
      const lost = [{ dirtyBlocks: 0 }, { lost: expect.stringMatching(/CONTINUITY_LOST.*NVMe command/) }];
      expect((await attach(device, asks, writes))['after']).toEqual(lost);
      expect((await attach('--silent', device, asks, writes))['after']).toEqual(lost);
    },
    PATIENCE_MS,
  );

  test(
    'what is written on a processor that goes, and on one that comes, is named',
    async () => {
      const { device } = guest!.disks[4]!;
      const [off, on] = [0, 1].map((state) => `echo ${state} > /sys/devices/system/cpu/cpu1/online`);
      const there = (block: number, count: number): string => `taskset -c 1 ${write(device, block, count)}`;
      const gone = await attach(device, `${there(0, 3)}; ${off}`, write(device, 100, 1), `${on}; ${there(200, 2)}`);
      expect(gone['after']).toEqual([3, 4, 6].map((dirtyBlocks) => ({ dirtyBlocks })));
      await guest!.output(off!);
      const came = await attach(device, write(device, 100, 1), `${on}; ${there(200, 2)}`);
      expect(came['after']).toEqual([1, 3].map((dirtyBlocks) => ({ dirtyBlocks })));
    },
    PATIENCE_MS,
  );
});
