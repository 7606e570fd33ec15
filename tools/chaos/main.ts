import { randomInt } from 'node:crypto';
import path from 'node:path';
import { endThreads } from '@holdfast/block';
import { parseCommandLine, parseNumber, runMain } from '../setup/command-line.ts';
import { ensureTools } from '../setup/ensure-tools.ts';
import { loadRegistry, pick } from '../setup/registry.ts';
import { type RunLength, runScenario } from './run-scenario.ts';
import type { Scenario } from './scenario.ts';
import { addTallies, complaintsOf, EMPTY_TALLY, formatTally, statusOf } from './tally.ts';

const HELP = `Usage: npm run chaos -- [--minutes N] [--seed S] [--scenario NAME] [--events N] [--each] [--fault KIND]… [--logs DIRECTORY]
       npm run chaos -- --list      (shows the scenarios)

Lets ordinary steps and faults happen to a scenario (site unless told; "all": to each in turn, the time shared out), on the schedule that the
seed names, and compares every recovery point after every fault. Stops at the first thing that is wrong and prints how to get there
again: --events N ends after exactly N events, and with --minutes too after the first verification past those. --each lets every kind of fault happen once, in an order that the seed names, and
--fault only these. --logs puts what all programs wrote down into a directory. Without --seed one is made up and printed; the default is one minute.
Exit status: 0 all well; 1 a point is wrong, something is lost, a resynchronization nobody can explain, something threw or hung, or
nothing was verified; 130 interrupted.`;

const DEFAULT_SCENARIO = 'site';
const EVENT_LIMIT_MS = 1_800_000;

const lengthOf = (minutes: string | undefined, events: string | undefined, scenarios: number): RunLength => ({
  events: events === undefined ? undefined : parseNumber('--events', events, 1),
  minutes: minutes === undefined && events !== undefined ? undefined : parseNumber('--minutes', minutes ?? '1', 0) / scenarios,
});

await runMain(async (args) => {
  const { values } = parseCommandLine({
    args,
    options: {
      minutes: { type: 'string' },
      seed: { type: 'string' },
      scenario: { type: 'string' },
      events: { type: 'string' },
      each: { type: 'boolean' },
      fault: { type: 'string', multiple: true },
      logs: { type: 'string' },
      list: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const all = await loadRegistry<Scenario>(path.join(import.meta.dirname, 'scenarios'), 'scenario');
  if (values.list) {
    for (const { name, about } of all.values()) console.log(`${name.padEnd(16)} ${about}`);
    return 0;
  }
  const { scenario = DEFAULT_SCENARIO } = values;
  const scenarios = scenario === 'all' ? [...all.values()] : [pick(all, scenario, 'scenario')];
  const { fault: only, each = only !== undefined, minutes, events } = values;
  const length =
    each && minutes === undefined && events === undefined ? undefined : lengthOf(minutes, events, Math.max(1, scenarios.length));
  const seed = values.seed === undefined ? randomInt(2 ** 32) : parseNumber('--seed', values.seed, 0);
  await ensureTools([...new Set(scenarios.flatMap(({ tools }) => tools))], { print: console.log });

  const interruption = new AbortController();
  process.once('SIGINT', () => interruption.abort());
  process.once('SIGTERM', () => interruption.abort());
  let tally = EMPTY_TALLY;
  for (const scenario of scenarios) {
    console.log(`chaos ${scenario.name}, seed ${seed}: ${scenario.about}`);
    const options = {
      seed,
      length,
      print: console.log,
      stop: interruption.signal,
      eventLimitMs: EVENT_LIMIT_MS,
      logs: values.logs,
      each,
      only,
    };
    tally = addTallies(tally, await runScenario(scenario, options));
    if (interruption.signal.aborted || complaintsOf(tally).length > 0) break;
  }

  for (const complaint of complaintsOf(tally)) console.log(complaint);
  if (tally.points === 0) console.log('not a single point was verified');
  console.log(formatTally(tally));
  const status = statusOf(tally, interruption.signal.aborted);
  // Once a run that was all over never ended: node, taking its last handles away, turned for ever (Environment::CleanupHandles, 24.19).
  await endThreads();
  process.exit(status);
});
