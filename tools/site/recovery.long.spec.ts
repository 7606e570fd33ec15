import { chmod, readFile, rename, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createQemuFabric } from '@holdfast/fabric';
import { until } from '../lab/host/until.ts';
import { MINI_MARKER, MINI_TOOLS } from '../mini-image/index.ts';
import type { Person } from './cli-process.ts';
import type { ProgramProcess } from './program-process.ts';
import { openRecoveryInstallation, type RecoveryInstallation, type SiteMachine, type SiteRecovery } from './recovery-site.ts';

/** Seconds a machine may take to start when it is emulated and everybody else works too. */
const PATIENCE = { seconds: 120 };

/** A whole installation, and a machine whose one disk is the small server's image. */
describe.unless(lacks('root', 'qemu-system-x86_64', ...MINI_TOOLS), 'a machine', () => {
  let site: RecoveryInstallation;
  let person: Person;
  let gateway: ProgramProcess;
  let mini: SiteMachine;

  beforeAll(async () => {
    site = await openRecoveryInstallation({ machines: ['mini'] });
    ({ person } = site);
    [gateway, mini] = [site.gateways[0]!, site.machines[0]!];
  });
  afterAll(() => site?.close());

  const consoleOf = async ({ running: machine }: SiteRecovery): Promise<string> => readFile(machine!.console, 'latin1');
  const SIZE = ['--size', '1x256MiB'] as const;

  it('starts as a test beside its replication, and is gone without a trace', async () => {
    const tested = await person.json<{ state: string }>(['failover', 'test', 'mini', ...SIZE, '--wait'], {});
    expect(tested.state).toBe('succeeded');
    const recovery = await mini.shown();
    expect(recovery).toMatchObject({ kind: 'test', state: 'running', running: { state: 'running' } });
    await mini.starts(recovery);
    await mini.scribble(1);
    await mini.nextPoint();
    // Killed, the process server takes the machine up again where it was.
    await gateway.kill();
    await gateway.start();
    await until('the machine is looked after again', async () => (await mini.shown()).running?.state === 'running', PATIENCE);
    await person.json(['failover', 'cleanup', 'mini', '--notes', 'the marker came', '--wait'], {});
    expect(await person.json(['recovery', 'list', '--open'])).toEqual([]);
    await expect(consoleOf(recovery)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await person.json(['recovery', 'list'])).toMatchObject([{ state: 'ended', notes: 'the marker came' }]);
  });

  it('fails over, keeps its source from sending, and comes back without being copied again', async () => {
    const done = await person.json<{ state: string }>(['failover', 'start', 'mini', ...SIZE, '--yes', '--wait'], {});
    expect(done.state).toBe('succeeded');
    const recovery = await mini.shown();
    expect(recovery).toMatchObject({ kind: 'failover', state: 'running' });
    await mini.starts(recovery);
    const before = await mini.points();
    await mini.scribble(2);
    await mini.agent.kill();
    await mini.agent.start();
    const refused = await person.run(['failover', 'start', 'mini', '--yes']);
    expect(refused).toMatchObject({ status: 8, stderr: expect.stringContaining('OPERATION_REFUSED') });
    expect(await mini.points()).toEqual(before.map((point) => expect.objectContaining({ id: point.id })));

    await person.json(['failover', 'cancel', 'mini', '--yes', '--wait'], {});
    await mini.nextPoint();
    const events = await person.json<{ code: string }[]>(['event', 'list', '--limit', '500']);
    expect(events.map(({ code }) => code)).toEqual(expect.arrayContaining(['failed-over', 'failover-cancelled']));
    expect(events.map(({ code }) => code)).not.toContain('resynchronizing');
  });

  it('moves without loss: the source comes to rest, all of it arrives, it powers off, and then the machine starts', async () => {
    const none = await person.run(['failover', 'start', 'mini', ...SIZE, '--shutdown-source', '--yes', '--wait']);
    expect([none.status, none.stdout]).toEqual([1, expect.stringContaining('SOURCE_UNREACHABLE')]);
    // The last thing that is written, while it comes to rest.
    const last = `dd if=/dev/zero bs=4096 count=1 status=none | tr '\\0' '\\7' | dd of=${mini.image} bs=4096 seek=16383 conv=notrunc,fsync status=none`;
    await writeFile(path.join(site.scripts, '10-application'), `#!/bin/sh\n[ "$1" = pre ] && ${last}\nexit 0\n`);
    await chmod(path.join(site.scripts, '10-application'), 0o755);
    const moved = await person.run(['failover', 'start', 'mini', ...SIZE, '--shutdown-source', '--point', 'latest', '--yes', '--wait']);
    expect([moved.status, moved.stderr]).toEqual([0, expect.stringContaining('power off the source')]);
    await stat(mini.off);
    const recovery = await mini.shown();
    await mini.starts(recovery);
    expect(await mini.scribbled(recovery.point.id)).toBe(7);
  });

  it('is switched on again when it is off, says why it stays off, and is left to its owner once it is committed', async () => {
    const recovery = await mini.shown();
    const own = path.dirname(recovery.running!.console);
    const operation = path.basename(own);
    const fabric = createQemuFabric({ directory: path.dirname(own) });
    const switchOff = async (): Promise<void> => {
      await fabric.stop(operation, { how: 'power cut' });
      await until('it is seen off', async () => (await mini.shown()).running?.state === 'stopped', PATIENCE);
    };
    const markers = async (): Promise<number> =>
      (await consoleOf(recovery)).split('\n').filter((line) => MINI_MARKER.test(`${line}\n`)).length;
    const before = await markers();
    await switchOff();
    const alerts = () => person.json<{ code: string }[]>(['alert', 'list']);
    await until('somebody is told', async () => (await alerts()).some(({ code }) => code === 'recovered-machine-off'), PATIENCE);
    expect(await person.json(['recovery', 'start', 'mini', '--wait'], {})).toMatchObject({ state: 'succeeded' });
    await until('it starts again', async () => (await markers()) > before, { ...PATIENCE, everyMilliseconds: 100 });

    // What cannot be started is tried once, and told; its process server does not try it again by itself, nor after its own restart.
    await switchOff();
    const [overlay, aside] = [path.join(own, 'disk0.qcow2'), path.join(own, 'aside')];
    await rename(overlay, aside);
    const failed = await person.run(['recovery', 'start', 'mini', '--wait']);
    expect([failed.status, failed.stdout]).toEqual([1, expect.stringMatching(/\[OBJECT_NOT_FOUND\] start of the .* mini: .*disk0\.qcow2/)]);
    await rename(aside, overlay);
    await gateway.kill();
    await gateway.start();
    await until('it is looked after again', async () => (await mini.shown()).running?.state === 'stopped', PATIENCE);
    expect((await fabric.status(operation))?.state).toBe('off');
    await person.json(['recovery', 'start', 'mini', '--wait'], {});
    await until('it starts once more', async () => (await markers()) > before + 1, { ...PATIENCE, everyMilliseconds: 100 });

    const early = await person.run(['recovery', 'forget', 'mini', '--yes']);
    expect([early.status, early.stderr]).toEqual([2, expect.stringContaining('commit it first')]);
    await person.json(['failover', 'commit', 'mini', '--yes', '--wait'], {});
    expect(await person.json(['recovery', 'forget', 'mini', '--yes', '--wait'], {})).toMatchObject({ state: 'succeeded' });
    expect(await person.json(['recovery', 'list', '--machine', 'mini'])).toMatchObject([{ state: 'forgotten' }, {}, {}, {}]);
    // Nobody knows of it any more, and it runs on.
    await gateway.kill();
    await gateway.start();
    const { state, pid, disks } = (await fabric.status(operation))!;
    expect([state, disks.map(({ hydrated }) => hydrated)]).toEqual(['running', [true]]);
    expect(pid).toBeGreaterThan(0);
    const again = await person.run(['recovery', 'start', recovery.id, '--wait']);
    expect([again.status, again.stderr]).toEqual([2, expect.stringContaining('forgotten')]);
  });
});
