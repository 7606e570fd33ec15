import type { LivesLived, LivesWanted } from '@holdfast/vault/conformance';
import { randomBelow } from '../../lab/random.ts';
import { shareOut } from '../lives/shared-out.ts';
import type { Action, Scenario } from '../scenario.ts';

/** Lives of one event, of all threads together; the same on all machines, so that a seed names the same lives everywhere. */
const LIVES = 40;
/** Lives that a thread plays at a time. */
const SHARE = 5;

/** Random lives of a machine and its vault against a plain model of its disks: `packages/vault/src/testing/model.ts`. */
export const scenario: Scenario = {
  name: 'vault-lives',
  about:
    'random lives of vaults in memory: writers, keepers and holders of keys that crash at any request, each point compared with a model',
  tools: [],
  setup: async ({ note }) => {
    const threads = shareOut<LivesWanted, LivesLived>('lives-thread');
    let lives = 0;
    let points = 0;
    const wrong: string[] = [];
    const live = (troubled: boolean): Action => ({
      weight: 1,
      run: async (random) => {
        const seeds = Array.from({ length: LIVES / SHARE }, () => randomBelow(random, 2 ** 31));
        await threads.play(
          seeds.map((seed) => ({ seed, count: SHARE, troubled })),
          (lived) => {
            lives += lived.lives;
            points += lived.points;
            if (lived.wrong !== undefined) wrong.push(lived.wrong);
          },
        );
      },
    });
    return {
      steps: { live: live(false) },
      faults: { 'live in troubles': live(true) },
      verify: async () => {
        note(`${lives} lives`);
        const verdict = { points, wrong: wrong.splice(0), lost: [], resyncs: [] };
        points = 0;
        return verdict;
      },
      dispose: () => threads.end(),
    };
  },
};
