import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { PointKind } from '@holdfast/protocol';
import { WATCHDOG_COMMAND } from '../hold/testing/watchdog-command.ts';
import { programOfThreads } from '../platform/testing/program-of-threads.ts';

const IMPORTS = {
  runScript: 'consistency/run-script.ts',
  planConsistentHold: 'consistency/plan-hold.ts',
  openHold: 'hold/open-hold.ts',
};

describe.unless(lacks('root'), 'an agent that leaves processors alone', () => {
  const several = os.cpus().length > 1;
  let folder: string;
  let script: string;
  let told: string;
  beforeEach(() => {
    // Scripts in a directory that others may write to are refused: not below /tmp.
    folder = mkdtempSync(path.join(os.homedir(), '.holdfast-processors-'));
    script = path.join(folder, 'script');
    told = path.join(folder, 'told');
    writeFileSync(script, `#!/bin/sh\ngrep Cpus_allowed_list: /proc/self/status | cut -f 2 >> ${told}\n`, { mode: 0o755 });
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const narrow = `
    const [all] = threads();
    const share = leaveProcessors({ every: 5, demand: () => 0 });
    ${several ? 'await until(() => threads()[0] !== all);' : ''}
    const [little] = threads();
    const watchdog = ${JSON.stringify(WATCHDOG_COMMAND)};
    const children = () => readFileSync('/proc/self/task/' + process.pid + '/children', 'latin1').trim().split(' ').map((pid) => allowed('/proc/' + pid));
  `;
  /** What scripts of it were told by the kernel. */
  const ofScripts = (): string[] => readFileSync(told, 'utf8').trim().split('\n');

  it('starts scripts, and what keeps a hold, on all that it was given, and stays where it is', async () => {
    const { all, little, ...rest } = await programOfThreads(
      `${narrow}
      await runScript({ file: ${JSON.stringify(script)}, limit: 60_000, environment: { PATH: '/usr/bin:/bin' } }, 'pre');
      const hold = await openHold({ watchdog, log: ${JSON.stringify(path.join(folder, 'log'))} });
      const ofWatchdog = children();
      await hold.end();
      console.log(JSON.stringify({ all, little, ofWatchdog, afterwards: threads() }));`,
      IMPORTS,
    );
    if (several) expect(little).not.toEqual(all);
    expect(rest).toEqual({ ofWatchdog: [all], afterwards: [little] });
    expect(ofScripts()).toEqual([all]);
  }, 120_000);

  it('runs on all of them from the first step of a hold to its end', async () => {
    const { all, little, ...rest } = await programOfThreads(
      `${narrow}
      const places = { machineId: '', watchdog, scripts: ${JSON.stringify(folder)}, scriptLimit: 60_000, log: '/dev/shm/holdfast-${process.pid}-hold', kept: [], processors: share };
      const hold = planConsistentHold(${PointKind.APPLICATION}, 60_000, [], places);
      const held = [];
      for (const step of hold.steps) {
        await step();
        held.push(...threads());
      }
      await hold.end();
      console.log(JSON.stringify({ all, little, held, afterwards: threads() }));`,
      IMPORTS,
    );
    if (several) expect(little).not.toEqual(all);
    expect(rest).toEqual({ held: [all, all], afterwards: [little] });
    // Of `pre` and `post`.
    expect(ofScripts()).toEqual([all, all]);
  }, 120_000);
});
