import { readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { LabReport } from './output/report.ts';
import { useLabRuns } from './testing/lab-runs.ts';

/* The whole demonstration as people start it. What else it can do is in lab.long.spec.ts. */

const lab = useLabRuns();
/** Disks as small as they may be: the points that are compared are exported whole. */
const SMALL = ['--disk-size', '320'];
/** Everything is at work. Of a copy that was quick nothing is shown but its end. */
const COPYING = /first copy (\[|and first point)/;

describe.unless(lacks('root', 'mkfs.ext4', 'mkfs.xfs', 'qemu-img', 'fsfreeze'), 'npm start', () => {
  it('protects, is killed, goes on, recovers, verifies, measures, and takes everything away', async () => {
    const json = path.join(lab.directory, 'result.json');
    const run = lab.start(...SMALL, '--minutes', '0.2', '--point-every', '2', '--json', json, '--seed', '3');
    const status = await run.ended;
    expect(run.text()).toContain('recovered points are exactly the machine');
    expect(status).toBe(0);
    const report = JSON.parse(readFileSync(json, 'utf8')) as LabReport;
    expect(report).toMatchObject({
      points: { verified: Math.min(4, report.points.made), bad: 0 },
      resyncs: 0,
      kills: { agent: 1, processServer: 1 },
    });
    expect(report.points.made).toBeGreaterThanOrEqual(2);
    expect(Object.keys(report)).toEqual(['points', 'resyncs', 'kills', 'rpoSeconds', 'initial', 'bytes', 'cpuSeconds']);
    const { rpoSeconds, initial, bytes, cpuSeconds } = report;
    for (const value of [
      rpoSeconds.p50,
      rpoSeconds.max,
      initial.megabytesPerSecond,
      bytes.changed,
      bytes.sent,
      bytes.stored,
      ...Object.values(cpuSeconds),
    ])
      expect(value).toBeGreaterThan(0);
    const programs = ['agent', 'processServer', 'configurationServer', 'store', 'workload', 'supervisor'];
    expect(Object.keys(cpuSeconds)).toEqual(programs);
    rmSync(json);
    await lab.expectNothingLeft(run);
  });

  it('finds points bad that were cut without looking for conflicts', async () => {
    const run = lab.start(...SMALL, '--minutes', '0.1', '--point-every', '1', '--no-conflict-check', '--seed', '3');
    expect(await run.ended).toBe(1);
    expect(run.text()).toMatch(/BAD: point .*: (rows|row|overwrite|block|e2fsck|xfs_repair|mount) /);
    expect(run.text()).toContain('The demonstration failed');
    await lab.expectNothingLeft(run);
  });

  it('takes everything away on Ctrl-C, also what an earlier run left that was killed', async () => {
    const first = lab.start(...SMALL, '--minutes', '5');
    await first.says(COPYING);
    first.child.kill('SIGKILL');
    await first.ended;
    expect(readdirSync(lab.directory)).toHaveLength(2);
    const second = lab.start(...SMALL, '--minutes', '5');
    await second.says(COPYING);
    expect(second.text()).toMatch(/removed what an earlier run left .*/);
    second.child.kill('SIGINT');
    expect(await second.ended).toBe(130);
    expect(second.text()).toContain('[INTERRUPTED]');
    await lab.expectNothingLeft(first, second);
  });
});
