import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunContext } from '../../lab/context.ts';
import { openLabVault } from '../../lab/lab-vault.ts';
import { startSite, toVerify } from '../../lab/ledger-run.ts';
import { createMachine } from '../../lab/machine.ts';
import { parseOptions } from '../../lab/options.ts';
import { lostOf, resyncsOf } from '../../lab/outcome.ts';
import { createScreen } from '../../lab/output/screen.ts';
import { copyUntilFirstPoint, killAndRestart, pointAfter } from '../../lab/protect.ts';
import { randomBelow } from '../../lab/random.ts';
import { cleanUp } from '../../lab/record/clean-up.ts';
import { createRecorder, newRunId } from '../../lab/record/run-record.ts';
import { choosePoints } from '../../lab/verify/choose-points.ts';
import { verifyPoint } from '../../lab/verify/verify-point.ts';
import type { Scenario, Verdict } from '../scenario.ts';

/** Points verified each time: the newest and one at random. */
const RANDOM_POINTS = 1;

/** The machine of the demonstration and its installation, for as long as one likes, with agent and process server killed again and again. */
export const scenario: Scenario = {
  name: 'one-machine',
  about:
    'two live disks under the ledger workload, protected by a whole installation of processes; agent and process server are killed at any moment',
  tools: ['filesystems', 'nbd'],
  setup: async ({ directory, random, note }) => {
    const seed = randomBelow(random, 1_000_000);
    const stopping = new AbortController();
    const context: RunContext = {
      options: parseOptions(['--seed', String(seed), '--point-every', '2']),
      screen: createScreen({ isTTY: false, write: (text: string) => note(text.trimEnd()) }),
      recorder: createRecorder(newRunId(), directory),
      signal: stopping.signal,
    };
    const remove = async (): Promise<void> => {
      stopping.abort();
      await cleanUp(context.recorder.file, context.recorder.record);
    };
    try {
      const { site, workload, ledgers } = await startSite(context);
      const machine = await createMachine(context, { disks: site.map(({ device }) => device) });
      const atWork = { machine, failures: [workload.failure] };
      await copyUntilFirstPoint(context, atWork);
      let resyncsSeen = 0;
      let verifications = 0;

      const verify = async (): Promise<Verdict> => {
        await pointAfter(context, atWork, Date.now());
        // What comes after the vault was read it cannot tell of.
        const points = [...machine.figures.points];
        const vault = await openLabVault(machine.vault, machine.id);
        try {
          verifications += 1;
          const wrong: string[] = [];
          const chosen = choosePoints(vault.history.points, RANDOM_POINTS, seed + verifications);
          for (const [index, one] of chosen.entries()) {
            const options = {
              directory: path.join(context.recorder.record.directory, `recovered-${index}`),
              ledgers,
              seed,
              signal: stopping.signal,
            };
            const { id, verdicts } = await verifyPoint(toVerify(vault, machine, site, one), options);
            for (const { check, faults } of verdicts) for (const fault of faults) wrong.push(`point ${id}, ${check}: ${fault}`);
          }
          const resyncs = resyncsOf(vault.history)
            .slice(resyncsSeen)
            .map((reason) => ({ reason, explainedBy: undefined }));
          resyncsSeen += resyncs.length;
          const lost = lostOf({ points }, vault.history).map((time) => `the point of ${new Date(time).toISOString()}`);
          return { points: chosen.length, wrong, lost, resyncs };
        } finally {
          await vault.close();
        }
      };

      return {
        steps: { live: { weight: 1, run: async (chance) => sleep(500 + randomBelow(chance, 4_000)) } },
        faults: {
          'kill the agent': { weight: 1, run: () => killAndRestart(context, atWork, 'agent') },
          'kill the process server': { weight: 1, run: () => killAndRestart(context, atWork, 'processServer') },
        },
        verify,
        dispose: async () => {
          await workload.stop();
          await machine.stop();
          await machine.installation.stop();
          await remove();
        },
      };
    } catch (reason) {
      await remove();
      throw reason;
    }
  },
};
