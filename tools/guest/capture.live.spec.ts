import path from 'node:path';
import { startGuest } from './index.ts';

const WORKSPACE = path.resolve(__dirname, '../..');
const DISK_BYTES = 16 << 20;
const PATIENCE_MS = 600_000;

describe('capture in a guest', () => {
  test(
    'cuts of a virtio and a SCSI disk under two writers are exact prefixes across both',
    async () => {
      await using guest = await startGuest({
        disks: [
          { bus: 'virtio', sizeBytes: DISK_BYTES },
          { bus: 'scsi', sizeBytes: DISK_BYTES },
        ],
        share: { '/share': WORKSPACE },
      });
      const program = '/share/packages/mobility-agent/src/capture/testing/exact-prefix-main.ts';
      const disks = guest.disks.map((disk) => disk.device).join(' ');
      const printed = await guest.output(`node --conditions=@holdfast/source ${program} 15000 5000 ${disks}`, { timeoutSeconds: 300 });
      const outcome = JSON.parse(printed.split('\n').at(-1)!);
      expect(outcome.wrong).toEqual([]);
      expect(outcome.points).toBeGreaterThan(3);
    },
    PATIENCE_MS,
  );
});
