import { setTimeout as sleep } from 'node:timers/promises';
import { randomBelow } from '../../lab/random.ts';
import { startGuestMachine } from '../guest-restarts/guest-machine.ts';
import { contradiction, judgeDisks } from '../guest-restarts/sequence.ts';
import type { Scenario, Verdict } from '../scenario.ts';

const DISKS = 2;
/** Nanoseconds by which the clocks of writer and agent are rounded. */
const SLACK = 10_000_000n;

/** Restarts end what is known of a disk's writes: each must be said, cost a resynchronization of each disk, and leave all points exact. */
export const scenario: Scenario = {
  name: 'guest-restarts',
  about: 'a guest with two protected disks, rebooted and cut from power under a writer; every point is compared',
  tools: ['guest', 'filesystems'],
  setup: async ({ directory, note }) => {
    const machine = await startGuestMachine(directory, note);
    let fault: 'reboot' | 'power cut' | undefined;
    let warned = 0;
    const exact: { readonly id: string; readonly time: bigint; readonly writes: number }[] = [];

    const verify = async (): Promise<Verdict> => {
      await machine.settled();
      const [points, spoken, begun, warnings] = [
        await machine.newPoints(),
        await machine.spoken(),
        await machine.newResyncs(),
        await machine.warnings(),
      ];
      const wrong: string[] = [];
      for (const { id, time, images } of points) {
        const verdict = judgeDisks(images);
        if ('wrong' in verdict) wrong.push(`point ${id}: ${verdict.wrong}`);
        else exact.push({ id, time, writes: verdict.writes });
      }
      // What the writer said of the time after a point is heard later: all points are held against it each time.
      for (const { id, time, writes } of exact) {
        const why = contradiction(writes, time, spoken, SLACK);
        if (why !== undefined) wrong.push(`point ${id}: ${why}`);
      }
      const expected = fault === undefined ? 0 : DISKS;
      const lost: string[] = [];
      if (begun.length < expected) lost.push(`${begun.length} of ${expected} disks were resynchronized after a ${fault}`);
      if (warnings - warned < expected) lost.push(`only ${warnings - warned} warnings told of ${expected} resynchronizations`);
      const resyncs = begun.map(({ reason }, index) => ({ reason, explainedBy: index < expected ? fault : undefined }));
      note(`${points.length} points, ${begun.length} resynchronizations after ${fault ?? 'nothing'}, ${warnings - warned} warnings`);
      warned = warnings;
      fault = undefined;
      return { points: points.length, wrong, lost, resyncs };
    };

    return {
      steps: { live: { weight: 1, run: async (random) => sleep(500 + randomBelow(random, 2500)) } },
      faults: {
        reboot: {
          weight: 1,
          run: async () => {
            fault = 'reboot';
            await machine.reboot();
          },
        },
        'power cut': {
          weight: 1,
          run: async () => {
            fault = 'power cut';
            await machine.powerCut();
          },
        },
      },
      verify,
      dispose: () => machine.close(),
    };
  },
};
