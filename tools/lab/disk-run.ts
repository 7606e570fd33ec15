import { HoldfastError } from '@holdfast/errors';
import { openView } from '@holdfast/vault';
import type { RunContext } from './context.ts';
import { diskBytes, writtenBytes } from './host/disk-statistics.ts';
import { openLabVault } from './lab-vault.ts';
import { createMachine, type LabMachine } from './machine.ts';
import { createOutcome, type Outcome } from './outcome.ts';
import { progressBar } from './output/progress.ts';
import { pointAfter, protect } from './protect.ts';
import type { UserDisk } from './user-disk/check-disks.ts';
import { compareWithDigests, readDiskDigests } from './user-disk/disk-digests.ts';
import { mountPointsOf, whileFrozen } from './user-disk/freeze.ts';
import { judge, type Verdict } from './verify/verdict.ts';

/** A point cut while nothing wrote to the disks, and what the disks held then. */
interface FrozenPoint {
  /** Its instant, milliseconds since 1970. */
  readonly time: number;
  /** By disk, in order. */
  readonly digests: readonly Uint8Array[];
}

/** Times a point is tried whose disks somebody wrote to before they were read. */
const TRIES = 3;

const readAll = async ({ screen, signal }: RunContext, disks: readonly UserDisk[]): Promise<Uint8Array[]> => {
  const digests: Uint8Array[] = [];
  for (const { device, name } of disks) {
    const began = performance.now();
    const total = diskBytes(name);
    const show = (done: number): void =>
      screen.status('read', progressBar(`reading ${device}`, { done, total, seconds: (performance.now() - began) / 1000 }));
    digests.push(await readDiskDigests(device, show, signal));
  }
  screen.settle();
  return digests;
};

/** Cuts a point and reads the disks while they stand still: frozen where they are mounted; that nobody wrote is checked, not believed. */
const cutFrozen = async (context: RunContext, machine: LabMachine, disks: readonly UserDisk[]): Promise<FrozenPoint> => {
  const written = (): number => disks.reduce((sum, { name }) => sum + writtenBytes(name), 0);
  const mountPoints = mountPointsOf(disks.map(({ name }) => name));
  context.screen.line(
    mountPoints.length === 0
      ? 'comparing with the disk as it is'
      : `comparing with the disk, frozen for as long as it is read: ${mountPoints.join(', ')}`,
  );
  for (let tries = 0; tries < TRIES; tries += 1) {
    const found = await whileFrozen(context, mountPoints, async () => {
      const before = written();
      const began = Date.now();
      const [time, digests] = await Promise.all([pointAfter(context, { machine, failures: [] }, began), readAll(context, disks)]);
      return written() === before ? { time, digests } : undefined;
    });
    if (found !== undefined) return found;
  }
  throw new HoldfastError('DEVICE_UNSUPPORTED', {
    thing: disks.map(({ device }) => device).join(', '),
    why: 'something writes to it that freezing its file systems does not stop',
    remedy: 'stop what writes to it and try again',
  });
};

/** Protects disks of the user's and compares what is recovered with the disks themselves. */
export const runDiskLab = async (context: RunContext, disks: readonly UserDisk[]): Promise<Outcome> => {
  const { options, signal } = context;
  const machine = await createMachine(context, { disks: disks.map(({ device }) => device) });
  let frozen: FrozenPoint = { time: 0, digests: [] };
  const protection = await protect(context, {
    machine,
    disks: disks.map(({ name }) => name),
    seconds: options.minutes * 60,
    failures: [],
    sample: () => undefined,
    beforeStop: async () => {
      frozen = await cutFrozen(context, machine, disks);
    },
  });
  const vault = await openLabVault(machine.vault, machine.id);
  try {
    const { history } = vault;
    const { time, digests } = frozen;
    const id = history.points.find((point) => point.time === time)?.id ?? '';
    const verdicts: Verdict[] = [];
    for (const [index, { device }] of disks.entries()) {
      const verdict = await judge(device, async () => {
        const view = await openView(history, id, machine.disks[index]!.id);
        try {
          return await compareWithDigests(device, view, digests[index]!, signal);
        } finally {
          await view.close();
        }
      });
      verdicts.push(verdict);
    }
    signal.throwIfAborted();
    const checked = [{ id, time, chosen: 'frozen', good: verdicts.every(({ good }) => good), verdicts }];
    return await createOutcome({ protection, machine, vault, checked });
  } finally {
    await vault.close();
  }
};
