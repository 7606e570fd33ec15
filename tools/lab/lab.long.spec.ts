import { spawnSync } from 'node:child_process';
import { chownSync, mkdirSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { attachLoop, detachLoop } from './host/loop-devices.ts';
import { mount, unmount } from './host/mounts.ts';
import { runTool } from './host/run-tool.ts';
import { LAB_SCRIPT, NODE_ARGUMENTS, useLabRuns } from './testing/lab-runs.ts';

/* The demonstration over disks of people's own, and without root. */

const lab = useLabRuns();

const AS_NOBODY = ['--reuid', '65534', '--regid', '65534', '--clear-groups'];

/** Why a user without any right cannot run the lab from here, if so. */
const hiddenFromNobody = (): string | undefined =>
  spawnSync('setpriv', [...AS_NOBODY, 'test', '-r', LAB_SCRIPT]).status === 0 ? undefined : 'needs a tree that every user can read';

describe.unless(lacks('root', 'mkfs.ext4', 'mkfs.xfs', 'qemu-img', 'fsfreeze'), 'npm start', () => {
  it("protects a disk of the user's, which it only reads, and compares every block; refuses a vault on it", async () => {
    const file = path.join(lab.directory, 'disk.img');
    writeFileSync(file, '');
    truncateSync(file, 64 << 20);
    const device = await attachLoop(file);
    const mountPoint = path.join(lab.directory, 'mounted');
    mkdirSync(mountPoint);
    await runTool('mkfs.ext4', ['-q', '-F', device]);
    await mount(device, mountPoint);
    try {
      writeFileSync(path.join(mountPoint, 'before'), Buffer.alloc(5_000_000, 'before'));
      const refused = lab.start('--disk', device, '--vault', `file:${path.join(mountPoint, 'vault')}`);
      expect(await refused.ended).toBe(2);
      expect(refused.text()).toMatch(/\[VAULT_ON_PROTECTED_DISK\] \/dev\/loop\d+: the vault/);
      const run = lab.start('--disk', device, '--minutes', '0.1', '--point-every', '1');
      await run.says(/first copy and first point/);
      writeFileSync(path.join(mountPoint, 'meanwhile'), Buffer.alloc(5_000_000, 'meanwhile'));
      expect(await run.ended).toBe(0);
      expect(run.text()).toContain('16384 blocks equal');
      expect(run.text()).toContain('The recovered point is exactly the machine');
      expect(readdirSync(mountPoint).sort()).toEqual(['before', 'lost+found', 'meanwhile']);
      // Thawed: a write comes through.
      writeFileSync(path.join(mountPoint, 'after'), 'after');
    } finally {
      await unmount(mountPoint);
      await detachLoop(device);
      rmSync(mountPoint, { recursive: true });
      rmSync(file);
    }
    await lab.expectNothingLeft();
  });

  it.unless(lacks('setpriv') ?? hiddenFromNobody(), 'shows without root what can be shown, and says what it leaves out', async () => {
    chownSync(lab.directory, 65534, 65534);
    const run = lab.startProgram('setpriv', ...AS_NOBODY, process.execPath, ...NODE_ARGUMENTS, '--minutes', '0.1', '--point-every', '1');
    const status = await run.ended;
    expect(run.text()).toContain('All 4 recovered points are exactly the machine');
    expect(run.text()).toMatch(/Not root: .* Left out: real disks/);
    expect(run.text()).toContain('49152 blocks equal');
    expect(status).toBe(0);
    await lab.expectNothingLeft();
    const refused = lab.startProgram('setpriv', ...AS_NOBODY, process.execPath, ...NODE_ARGUMENTS, '--disk', '/dev/null');
    expect(await refused.ended).toBe(3);
  });
});
