import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { findControlGroups, throttleSteps } from './throttle.ts';

describe('throttling', () => {
  let root: string;
  beforeEach(() => (root = mkdtempSync(path.join(tmpdir(), 'holdfast-cgroup-'))));
  afterEach(() => rmSync(root, { recursive: true }));
  const file = (name: string, text: string): void => {
    mkdirSync(path.join(root, path.dirname(name)), { recursive: true });
    writeFileSync(path.join(root, name), text);
  };
  const steps = (version: 'legacy' | 'unified') =>
    throttleSteps({ [version]: root }, ['8:0', '7:1'], 500).map((step) => ({ ...step, file: path.relative(root, step.file) }));

  it('of version 1 limits every group, and keeps limits that are lower', () => {
    file('blkio.throttle.write_iops_device', '');
    file('a/blkio.throttle.write_iops_device', '8:0 200\n7:1 9000\n');
    file('a/b/blkio.throttle.write_iops_device', '8:16 3\n');
    expect(steps('legacy')).toEqual([
      { file: 'blkio.throttle.write_iops_device', text: '8:0 500', restore: '8:0 0' },
      { file: 'blkio.throttle.write_iops_device', text: '7:1 500', restore: '7:1 0' },
      { file: 'a/blkio.throttle.write_iops_device', text: '7:1 500', restore: '7:1 9000' },
      { file: 'a/b/blkio.throttle.write_iops_device', text: '8:0 500', restore: '8:0 0' },
      { file: 'a/b/blkio.throttle.write_iops_device', text: '7:1 500', restore: '7:1 0' },
    ]);
  });

  it('of version 2 limits the groups below the root, and lends them the controller', () => {
    file('cgroup.controllers', 'cpu io memory\n');
    file('cgroup.subtree_control', 'cpu memory\n');
    file('system.slice/io.max', '8:0 rbps=max wbps=max riops=max wiops=max\n');
    file('system.slice/deep/io.max', '');
    file('user.slice/io.max', '8:0 rbps=max wbps=1000 riops=max wiops=100\n7:1 wiops=800\n');
    expect(steps('unified')).toEqual([
      { file: 'cgroup.subtree_control', text: '+io', restore: '-io' },
      { file: 'system.slice/io.max', text: '8:0 wiops=500', restore: '8:0 wiops=max' },
      { file: 'system.slice/io.max', text: '7:1 wiops=500', restore: '7:1 wiops=max' },
      { file: 'user.slice/io.max', text: '7:1 wiops=500', restore: '7:1 wiops=800' },
    ]);
    writeFileSync(path.join(root, 'cgroup.subtree_control'), 'cpu io memory\n');
    expect(steps('unified')).toHaveLength(3);
    expect(findControlGroups([{ type: 'cgroup2', mountPoint: root }])).toEqual({ unified: root });
    writeFileSync(path.join(root, 'cgroup.controllers'), 'cpu\n');
    expect(findControlGroups([{ type: 'cgroup2', mountPoint: root }])).toEqual({});
    expect(readFileSync(path.join(root, 'cgroup.controllers'), 'utf8')).toBe('cpu\n');
  });
});
