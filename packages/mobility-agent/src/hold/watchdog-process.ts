// A process of its own that holds writers still and lets them go: when it is told to, when time is up, or when the agent is gone.
// It writes to no disk, its code is locked into memory, and it does not end by signals that are meant for the agent.
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fromSystem } from '@holdfast/errors';
import { lockCode } from '../platform/memory.ts';
import { openKeptHold } from './keep-hold.ts';
import type { HoldReport, WatchdogAnswer, WatchdogOrder } from './protocol.ts';

const NEVER_FIRST = '-1000';

const hardenProcess = (): void => {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGPIPE'] as const) process.on(signal, () => undefined);
  try {
    writeFileSync('/proc/self/oom_score_adj', NEVER_FIRST);
  } catch {
    // Without the right to it, the agent or the next one takes back what this process did.
  }
  lockCode();
};

/** Serves one hold over standard input and output. */
export const serveHold = async (): Promise<void> => {
  let kept: ReturnType<typeof openKeptHold> | undefined;
  let report: HoldReport | undefined;

  const obey = async (order: WatchdogOrder): Promise<WatchdogAnswer> => {
    try {
      if (order.order === 'open') {
        hardenProcess();
        kept = openKeptHold(order.log);
        return {};
      }
      const hold = kept!.hold;
      if (order.order === 'end') {
        report = await hold.end();
        return { report };
      }
      if (order.order === 'scripts') await hold.scripts(order);
      if (order.order === 'flush') await hold.flush(order);
      if (order.order === 'freeze') await hold.freeze(order);
      if (order.order === 'throttle') hold.throttle(order);
      if (order.order === 'snapshot') return { path: await hold.snapshot(order) };
      return {};
    } catch (reason) {
      const { code, thing, why, remedy } = fromSystem(reason, 'hold', 'HOLD_FAILED');
      return { failed: { code, thing, why, remedy } };
    }
  };
  const answer = (message: WatchdogAnswer): void => void process.stdout.write(`${JSON.stringify(message)}\n`);
  // An agent that is gone reads no answers.
  process.stdout.on('error', () => undefined);

  let working: Promise<void> = Promise.resolve();
  const gone = Promise.withResolvers<void>();
  createInterface({ input: process.stdin })
    .on('line', (line) => (working = working.then(async () => answer(await obey(JSON.parse(line) as WatchdogOrder)))))
    .on('close', () => gone.resolve());
  await gone.promise;
  // At once what is held; what is being done now, when it is done.
  const letGo = report === undefined ? kept?.hold.end() : undefined;
  await working;
  await letGo;
  kept?.close();
  process.exit(0);
};
