import { within } from '../stop/within.ts';
import type { Check, CheckOptions, CheckResult, Health } from './health.ts';

/** Milliseconds a check may take to answer. */
const PATIENCE = 2000;

interface Registered {
  readonly name: string;
  readonly tells: 'ready' | 'live';
  readonly look: Check;
}

const lookAt = async ({ name, tells, look }: Registered): Promise<CheckResult> => {
  const problem = await within(PATIENCE, async () => look()).then(
    (outcome) => (outcome.done ? outcome.value : `it did not answer in ${PATIENCE / 1000} s`),
    (reason: unknown) => (reason instanceof Error ? reason.message : String(reason)),
  );
  return { name, tells, ...(problem === undefined ? {} : { problem }) };
};

/** A health without checks: live and ready. */
export const createHealth = (): Health => {
  const checks = new Set<Registered>();
  return {
    check(name: string, look: Check, { tells = 'ready' }: CheckOptions = {}) {
      const registered = { name, tells, look };
      checks.add(registered);
      return () => void checks.delete(registered);
    },
    async report() {
      const results = await Promise.all([...checks].map(lookAt));
      const live = results.every(({ tells, problem }) => tells !== 'live' || problem === undefined);
      return { live, ready: live && results.every(({ problem }) => problem === undefined), checks: results };
    },
  };
};
