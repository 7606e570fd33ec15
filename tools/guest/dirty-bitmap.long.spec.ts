import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Guest, startGuest } from './index.ts';
import { outcomeOf } from './outcome.ts';

/*
 * An oracle that is not ours and lies below the guest: QEMU's own bitmap of what was written to a disk. The trace in the guest must name the same
 * blocks for the same workload.
 */

const WORKSPACE = path.resolve(__dirname, '../..');
const PROGRAM = '/share/packages/mobility-agent/src/trace/testing/dirty-main.ts';
const DISK_BYTES = 64 << 20;
const BLOCK = 4096;
const PATIENCE_MS = 900_000;
const BUSES = ['virtio', 'scsi', 'nvme'] as const;

let guest: Guest;
let directory: string;

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'holdfast-bitmap-'));
  guest = await startGuest({
    disks: BUSES.map((bus) => ({ bus, serial: bus, sizeBytes: DISK_BYTES })),
    memoryMiB: 1536,
    share: { '/share': WORKSPACE },
  });
  await guest.qmp('nbd-server-start', { addr: { type: 'unix', data: { path: path.join(directory, 'socket') } } });
}, PATIENCE_MS);

afterAll(async () => {
  await guest?.stop();
  rmSync(directory, { recursive: true, force: true });
}, PATIENCE_MS);

let bitmaps = 0;

/** Runs a workload on a disk under both; tells the blocks each of them names. */
const compare = async (node: string, proof: 'verify' | 'drain', workload: string): Promise<{ trace: Set<number>; qemu: Set<number> }> => {
  const name = `bitmap${++bitmaps}`;
  await guest.qmp('block-dirty-bitmap-add', { node, name, granularity: BLOCK });
  const run = `node --conditions=@holdfast/source --disable-warning=ExperimentalWarning ${PROGRAM}`;
  const device = `$(readlink -f /dev/disk/by-serial/${node})`;
  const command = `D=${device}; export D; ${run} $D ${proof} '${workload}'`;
  const traced = await outcomeOf<readonly (readonly [number, number])[]>(guest, command, { timeoutSeconds: 600 });
  const trace = new Set<number>();
  for (const [first, count] of traced) for (let block = first; block < first + count; block += 1) trace.add(block);

  await guest.qmp('block-dirty-bitmap-disable', { node, name });
  await guest.qmp('block-export-add', { type: 'nbd', id: name, 'node-name': node, name, bitmaps: [name] });
  const uri = `nbd+unix:///${name}?socket=${path.join(directory, 'socket')}`;
  const map = JSON.parse(execFileSync('nbdinfo', ['--json', `--map=qemu:dirty-bitmap:${name}`, uri], { encoding: 'utf8' })) as {
    offset: number;
    length: number;
    type: number;
  }[];
  const qemu = new Set<number>();
  for (const { offset, length, type } of map)
    if (type === 1) for (let block = offset / BLOCK; block < Math.ceil((offset + length) / BLOCK); block += 1) qemu.add(block);
  return { trace, qemu };
};

const missing = (from: Set<number>, to: Set<number>): number[] => [...from].filter((block) => !to.has(block));

const WORKLOAD = `
  dd if=/dev/urandom of=$D bs=4k seek=9000 count=300 oflag=direct conv=notrunc status=none
  dd if=/dev/urandom of=$D bs=512 seek=100001 count=33 oflag=direct conv=notrunc status=none
  mkfs.ext4 -q -F $D 30m
  mkdir -p /mnt/$D; mount $D /mnt/$D
  cp -r /share/packages/mobility-agent/src/capture /mnt/$D/one
  sync -f /mnt/$D; rm -r /mnt/$D/one/testing; fstrim /mnt/$D || true
  umount /mnt/$D
  blkdiscard --offset 44040192 --length 1048576 $D
  blkdiscard --zeroout --offset 48234496 --length 524288 $D
  sync $D`;

describe.unless(lacks('root', 'qemu-system-x86_64', 'nbdinfo', 'mmdebstrap'), "the trace against QEMU's bitmap", () => {
  it.each(BUSES)(
    'names the very blocks that were written to a %s disk',
    async (bus) => {
      const { trace, qemu } = await compare(bus, 'verify', WORKLOAD);
      expect(missing(qemu, trace)).toEqual([]);
      expect(missing(trace, qemu)).toEqual([]);
      expect(qemu.size).toBeGreaterThan(600);
    },
    PATIENCE_MS,
  );

  it(
    'would show what the trace does not see',
    async () => {
      const write = (block: number): string => `dd if=/dev/urandom of=$D bs=4k seek=${block} count=1 oflag=direct conv=notrunc status=none`;
      const enable = '/sys/kernel/tracing/instances/holdfast-*/events/block/block_rq_complete/enable';
      const { trace, qemu } = await compare('virtio', 'drain', `${write(7)}; echo 0 > ${enable}; ${write(11)}; echo 1 > ${enable}`);
      expect(missing(qemu, trace)).toEqual([11]);
    },
    PATIENCE_MS,
  );
});
