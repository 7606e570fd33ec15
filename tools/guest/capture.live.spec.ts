import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { compilePrograms } from '../bundle/compile-programs.ts';
import { type Guest, startGuest } from './index.ts';
import { outcomeOf } from './outcome.ts';

const WORKSPACE = path.resolve(__dirname, '../..');
const PROGRAMS = [
  'capture/testing/exact-prefix-main',
  'capture/testing/prefix-writer',
  'capture/testing/discard-main',
  'trace/testing/attach-main',
];
const DISK_BYTES = 16 << 20;
const PATIENCE_MS = 600_000;

let guest: Guest | undefined;
let programs: string;

beforeAll(async () => {
  programs = await mkdtemp(path.join(tmpdir(), 'holdfast-guest-programs-'));
  const mains = PROGRAMS.map((program) => `packages/mobility-agent/src/${program}.ts`);
  await compilePrograms(programs, '/share', mains);
  guest = await startGuest({
    disks: [
      { bus: 'virtio', sizeBytes: DISK_BYTES },
      { bus: 'scsi', sizeBytes: DISK_BYTES },
      { bus: 'nvme', sizeBytes: DISK_BYTES },
      // XFS wants it so large; it is also what discards several ranges at once.
      { bus: 'nvme', sizeBytes: 320 << 20 },
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

describe('capture in a guest', () => {
  test(
    'cuts of a virtio, a SCSI and an NVMe disk under two writers are exact prefixes across all three',
    async () => {
      const outcome = await run('exact-prefix-main', 15_000, 5000, ...guest!.disks.slice(0, 3).map(({ device }) => device));
      expect(outcome['wrong']).toEqual([]);
      expect(outcome['points']).toBeGreaterThan(3);
    },
    PATIENCE_MS,
  );

  test(
    'they are too where beginnings of writes are told of only while something is read',
    async () => {
      const disks = guest!.disks.slice(0, 3).map(({ device }) => device);
      for (const device of disks) await guest!.output(`head -c 16M /dev/zero | dd of=${device} bs=1M iflag=fullblock oflag=direct`);
      const outcome = await run('exact-prefix-main', '--busy-from=0', 15_000, 5000, ...disks);
      expect(outcome['wrong']).toEqual([]);
      expect(outcome['points']).toBeGreaterThan(3);
      expect(outcome['silences']).toBeGreaterThan(3);
    },
    PATIENCE_MS,
  );

  test(
    'what a program writes past the block layer ends continuity, what it asks does not',
    async () => {
      const disk = guest!.disks[1]!.device;
      const asks = `sg_inq ${disk}; sg_turs ${disk}; sg_readcap ${disk}; sg_dd if=${disk} of=/dev/null bs=512 count=8 blk_sgio=1`;
      const writes = `sg_dd if=/dev/zero of=${disk} bs=512 count=8 blk_sgio=1`;
      for (const way of [[], ['--silent']]) {
        const { after } = await run('attach-main', ...way, disk, asks, writes);
        expect(after).toEqual([
          { dirtyBlocks: 0 },
          { lost: expect.stringMatching(/CONTINUITY_LOST.*SCSI command 0x2a, past the block layer/) },
        ]);
      }
    },
    PATIENCE_MS,
  );

  test(
    'a SCSI, an NVMe and a virtio disk are continuous for an agent that starts again',
    async () => {
      for (const { device } of guest!.disks.slice(0, 3)) {
        for (const way of [[], ['--silent']]) {
          const write = `dd if=/dev/urandom of=${device} bs=4k seek=8 count=3 oflag=direct status=none`;
          expect(await run('attach-main', ...way, device, write)).toMatchObject({
            after: [{ dirtyBlocks: 3 }],
            again: { kind: 'continuous' },
          });
        }
      }
    },
    PATIENCE_MS,
  );

  test(
    'discards of several ranges are all taken in',
    async () => {
      const outcome = await run('discard-main', guest!.disks[3]!.device);
      expect(outcome['differing']).toBe(0);
      // A request that holds more ranges than the one it names.
      expect(outcome['ranges']).toBeGreaterThan(outcome['requests'] as number);
    },
    PATIENCE_MS,
  );
});
