import path from 'node:path';
import { type Guest, startGuest } from './index.ts';
import { outcomeOf } from './outcome.ts';

const WORKSPACE = path.resolve(__dirname, '../..');
const PROGRAM = '/share/packages/mobility-agent/src/hold/testing/throttle-main.ts';
const PATIENCE_MS = 900_000;
const OPERATIONS = 20;

let guest: Guest;

beforeAll(async () => {
  guest = await startGuest({ disks: [{ bus: 'virtio', sizeBytes: 16 << 20 }], share: { '/share': WORKSPACE } });
}, PATIENCE_MS);

afterAll(async () => guest?.stop(), PATIENCE_MS);

describe('control groups of version 2', () => {
  test(
    'throttle whoever writes to a disk, and are as they were afterwards',
    async () => {
      const controls = 'cat /sys/fs/cgroup/cgroup.subtree_control';
      const was = await guest.output(controls);
      const command = `node --conditions=@holdfast/source ${PROGRAM} ${guest.disks[0]!.device} ${OPERATIONS}`;
      const outcome = await outcomeOf(guest, command, { timeoutSeconds: 300 });
      expect(outcome).toMatchObject({ problems: [], left: was.trim() });
      expect(outcome['steps']).toBeGreaterThan(0);
      expect(outcome['before']).toBeGreaterThan(OPERATIONS * 3);
      expect(outcome['held']).toBeLessThanOrEqual(OPERATIONS * 1.5);
      expect(outcome['after']).toBeGreaterThan(OPERATIONS * 3);
    },
    PATIENCE_MS,
  );
});
