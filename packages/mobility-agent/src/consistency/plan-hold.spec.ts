import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PointKind } from '@holdfast/protocol';
import { type HoldPlaces, planConsistentHold, planHelpingHold, planSnapshotHold } from './plan-hold.ts';

/** A watchdog that notes what it is told to, and does nothing. */
const WATCHDOG = `
  const { appendFileSync } = require('node:fs');
  const [, file] = process.argv;
  require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const { order } = JSON.parse(line);
    appendFileSync(file, order + '\\n');
    const report = { frozen: [], still: [], moving: [], frozenFor: 0, problems: [] };
    console.log(JSON.stringify(order === 'end' ? { report } : {}));
  });
`;

describe.unless(process.platform === 'linux' ? undefined : 'not Linux', 'a planned hold', () => {
  let directory: string;
  let places: HoldPlaces;
  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'holdfast-plan-'));
    places = {
      machineId: '11'.repeat(16),
      watchdog: [process.execPath, '-e', WATCHDOG, path.join(directory, 'orders')],
      scripts: path.join(directory, 'scripts'),
      scriptLimit: 1000,
      log: path.join(directory, 'log'),
      kept: [],
      processors: {
        widen: () => {
          note('wide');
          return () => note('narrow');
        },
      },
    };
  });
  afterEach(() => rmSync(directory, { recursive: true }));
  /** What the watchdog was told, and when all processors were taken and given back. */
  const note = (what: string): void => appendFileSync(path.join(directory, 'orders'), `${what}\n`);
  const noted = (): string[] => readFileSync(path.join(directory, 'orders'), 'utf8').trim().split('\n');

  // Of a frozen file system nobody can write until all that was in memory is on the disk.
  it.each([
    ['for a cut that does not converge', () => planHelpingHold(true, 1000, [], places)],
    ['for a consistent point', () => planConsistentHold(PointKind.FILESYSTEM, 1000, [], places)],
  ])(
    '%s writes out what is in memory before anything is frozen, and has all processors until everything is given back',
    async (_, plan) => {
      const hold = plan();
      for (const step of hold.steps) await step();
      expect(await hold.end()).toBe(true);
      expect(noted()).toEqual(['wide', 'open', 'flush', 'freeze', 'end', 'narrow']);
    },
  );

  it('gives the processors back when its watchdog cannot be started', async () => {
    const hold = planHelpingHold(true, 1000, [], { ...places, watchdog: [path.join(directory, 'nowhere')] });
    await expect(hold.steps.at(-1)!()).rejects.toMatchObject({ code: 'HOLD_FAILED' });
    expect(noted()).toEqual(['wide']);
    expect(await hold.end()).toBe(false);
    expect(noted()).toEqual(['wide', 'narrow']);
  });

  it.each([[['/dev/null']], [['/dev/null', '/dev/zero']]])(
    'makes no snapshot of what is not one logical volume (%s), and says so',
    async (disks) => {
      const hold = planSnapshotHold(disks, places);
      await expect(hold.snapshot!()).rejects.toMatchObject({ code: 'POINT_NOT_CONSISTENT' });
      expect(await hold.end()).toBe(false);
      expect(hold.problem).toMatchObject({ code: 'POINT_NOT_CONSISTENT', why: expect.stringMatching(/logical volume/) });
      expect(noted()).toEqual(['wide', 'open', 'end', 'narrow']);
    },
  );
});
