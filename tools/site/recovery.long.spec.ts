import { randomUUID } from 'node:crypto';
import { chmod, copyFile, mkdir, mkdtemp, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { createQemuFabric, type Fabric } from '@holdfast/fabric';
import { openStore } from '@holdfast/object-store';
import { createVault, openVault, openView, readKeyFile, readMachine, writeKeyFile } from '@holdfast/vault';
import { until } from '../lab/host/until.ts';
import { createMiniImage, MINI_MARKER, MINI_TOOLS } from '../mini-image/index.ts';
import { createPerson, outputOf, type Person, runProcess } from './cli-process.ts';
import { type ConfigurationServer, startConfigurationServer } from './configuration-server.ts';
import { freePort } from './free-port.ts';
import { mainOf } from './from-source.ts';
import { createProgramProcess, type ProgramProcess } from './program-process.ts';
import { writeSettings } from './settings-files.ts';

const HOST = '127.0.0.1';
/** Seconds a machine may take to start when it is emulated and everybody else works too. */
const PATIENCE = { seconds: 120 };

interface Point {
  readonly id: string;
  readonly time: string;
}

interface Recovery {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly running: { readonly state: string; readonly console: string } | null;
  readonly point: Point;
  readonly startSeconds: number;
}

/** A whole installation, and a machine whose one disk is the small server's image. */
describe.unless(lacks('root', 'qemu-system-x86_64', ...MINI_TOOLS), 'a machine', () => {
  let directory: string;
  let server: ConfigurationServer;
  let person: Person;
  let gateway: ProgramProcess;
  let agent: ProgramProcess;
  let image: string;
  let scripts: string;
  let fabric: Fabric | undefined;
  const running: ProgramProcess[] = [];

  beforeAll(async () => {
    // Short: Unix sockets live below it.
    directory = await mkdtemp(path.join(tmpdir(), 'hfr-'));
    // Below nothing that others may write to: scripts there are refused.
    scripts = await mkdtemp(path.join(homedir(), '.hfr-'));
    image = path.join(directory, 'disk.raw');
    await copyFile((await createMiniImage()).path, image);
    const vault = `file://${path.join(directory, 'vault')}`;
    await mkdir(path.join(directory, 'vault'));
    const keyFile = path.join(directory, 'vault.key');
    await (await createVault(await openStore(vault), { name: 'office', keys: [await writeKeyFile(keyFile)] })).close();
    server = await startConfigurationServer({ directory: path.join(directory, 'cs') });
    person = createPerson(path.join(directory, 'person'));
    await person.json(['login', '--server', server.url, '--fingerprint', server.fingerprint, '--name', 'here'], {
      input: server.administratorToken,
    });
    const start = async (role: 'agent' | 'process-server', settings: Readonly<Record<string, unknown>>): Promise<ProgramProcess> => {
      const main = mainOf(role === 'agent' ? 'mobility-agent' : 'process-server');
      const hardware = path.join(directory, `${role}.json`);
      await writeFile(hardware, JSON.stringify({ productUuid: randomUUID(), productSerial: '', macAddresses: [], machineId: '' }));
      const common = { http: { listen: `${HOST}:0` }, identity: { 'hardware-file': hardware } };
      const files = writeSettings(directory, role === 'agent' ? 'ag' : 'ps', { ...common, ...settings });
      const { secret } = await person.json<{ secret: string }>(['token', 'create', '--role', role]);
      const join = ['join', '--config', files.config, '--server', `${HOST}:${server.port}`, '--fingerprint', server.fingerprint];
      outputOf('join', await runProcess(main, join, { input: `${secret}\n` }));
      const program = createProgramProcess({ name: `holdfast-${role}`, main, config: files.config, logFile: files.logFile });
      running.push(program);
      await program.start();
      return program;
    };
    const replication = `${HOST}:${await freePort()}`;
    gateway = await start('process-server', {
      replication: { listen: replication, advertise: [replication] },
      journal: { quota: '256MiB' },
      vaults: { office: { url: vault, 'key-file': keyFile } },
    });
    agent = await start('agent', {
      disks: { include: [image] },
      hrl: { quota: '256MiB', segment: '16MiB' },
      points: { interval: '1s' },
      sender: { 'retry-first': '100ms', 'retry-longest': '1s', 'retry-refused': '1s' },
      report: { interval: '200ms' },
      shutdown: { directory: scripts, 'power-off': ['touch', path.join(directory, 'off')] },
    });
    const [machine] = await person.json<{ id: string }[]>(['machine', 'list']);
    await person.json(['machine', 'rename', machine!.id, 'mini']);
    await person.json(['protect', 'mini', '--vault', 'office', '--wait'], {});
  });

  afterAll(async () => {
    for (const name of ['cleanup', 'cancel'])
      await person?.run(['failover', name, 'mini', ...(name === 'cancel' ? ['--yes'] : []), '--wait']);
    for (const program of running.reverse()) await program.stop();
    // What was left to its owner.
    for (const { operationId } of (await fabric?.list()) ?? []) await fabric?.remove(operationId);
    await server?.process.stop();
    await rm(directory, { recursive: true, force: true });
    await rm(scripts, { recursive: true, force: true });
  });

  const points = () => person.json<Point[]>(['point', 'list', 'mini', '--limit', '1000']);
  const shown = () => person.json<Recovery>(['recovery', 'show', 'mini']);
  const consoleOf = async ({ running: machine }: Recovery): Promise<string> => readFile(machine!.console, 'latin1');
  const starts = (recovery: Recovery): Promise<void> =>
    until('its marker on the console', async () => MINI_MARKER.test(await consoleOf(recovery)), { ...PATIENCE, everyMilliseconds: 100 });
  /** Writes where no file of the image is, so that there is something new. */
  const scribble = async (fill: number): Promise<void> => {
    const file = await open(image, 'r+');
    await file.write(Buffer.alloc(4096, fill), 0, 4096, 64 * 1024 * 1024 - 4096);
    await file.sync();
    await file.close();
  };
  const nextPoint = async (): Promise<Point> => {
    const known = new Set((await points()).map(({ id }) => id));
    let found: Point | undefined;
    const look = async (): Promise<boolean> => {
      found = (await points()).find(({ id }) => !known.has(id));
      return found !== undefined;
    };
    await until('another point', look, PATIENCE);
    return found!;
  };
  const SIZE = ['--size', '1x256MiB'] as const;

  it('starts as a test beside its replication, and is gone without a trace', async () => {
    const tested = await person.json<{ state: string }>(['failover', 'test', 'mini', ...SIZE, '--wait'], {});
    expect(tested.state).toBe('succeeded');
    const recovery = await shown();
    expect(recovery).toMatchObject({ kind: 'test', state: 'running', running: { state: 'running' } });
    await starts(recovery);
    await scribble(1);
    await nextPoint();
    // Killed, the process server takes the machine up again where it was.
    await gateway.kill();
    await gateway.start();
    await until('the machine is looked after again', async () => (await shown()).running?.state === 'running', PATIENCE);
    await person.json(['failover', 'cleanup', 'mini', '--notes', 'the marker came', '--wait'], {});
    expect(await person.json(['recovery', 'list', '--open'])).toEqual([]);
    await expect(consoleOf(recovery)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await person.json(['recovery', 'list'])).toMatchObject([{ state: 'ended', notes: 'the marker came' }]);
  });

  it('fails over, keeps its source from sending, and comes back without being copied again', async () => {
    const done = await person.json<{ state: string }>(['failover', 'start', 'mini', ...SIZE, '--yes', '--wait'], {});
    expect(done.state).toBe('succeeded');
    const recovery = await shown();
    expect(recovery).toMatchObject({ kind: 'failover', state: 'running' });
    await starts(recovery);
    const before = await points();
    await scribble(2);
    await agent.kill();
    await agent.start();
    const refused = await person.run(['failover', 'start', 'mini', '--yes']);
    expect(refused).toMatchObject({ status: 8, stderr: expect.stringContaining('OPERATION_REFUSED') });
    expect(await points()).toEqual(before.map((point) => expect.objectContaining({ id: point.id })));

    await person.json(['failover', 'cancel', 'mini', '--yes', '--wait'], {});
    await nextPoint();
    const events = await person.json<{ code: string }[]>(['event', 'list', '--limit', '500']);
    expect(events.map(({ code }) => code)).toEqual(expect.arrayContaining(['failed-over', 'failover-cancelled']));
    expect(events.map(({ code }) => code)).not.toContain('resynchronizing');
  });

  it('moves without loss: the source comes to rest, all of it arrives, it powers off, and then the machine starts', async () => {
    const none = await person.run(['failover', 'start', 'mini', ...SIZE, '--shutdown-source', '--yes', '--wait']);
    expect([none.status, none.stdout]).toEqual([1, expect.stringContaining('SOURCE_UNREACHABLE')]);
    // The last thing that is written, while it comes to rest.
    const last = `dd if=/dev/zero bs=4096 count=1 status=none | tr '\\0' '\\7' | dd of=${image} bs=4096 seek=16383 conv=notrunc,fsync status=none`;
    await writeFile(path.join(scripts, '10-application'), `#!/bin/sh\n[ "$1" = pre ] && ${last}\nexit 0\n`);
    await chmod(path.join(scripts, '10-application'), 0o755);
    const moved = await person.run(['failover', 'start', 'mini', ...SIZE, '--shutdown-source', '--point', 'latest', '--yes', '--wait']);
    expect([moved.status, moved.stderr]).toEqual([0, expect.stringContaining('power off the source')]);
    await stat(path.join(directory, 'off'));
    const recovery = await shown();
    await starts(recovery);
    const vault = await openVault(
      await openStore(`file://${path.join(directory, 'vault')}`),
      await readKeyFile(path.join(directory, 'vault.key')),
    );
    const [machine] = await vault.machines();
    const history = await readMachine(vault, machine!.id);
    const point = history.points.find(({ id }) => id === recovery.point.id)!;
    const view = await openView(history, point.id, point.disks[0]!);
    const block = new Uint8Array(4096);
    await view.read(16383 * 4096, block);
    expect(block.every((byte) => byte === 7)).toBe(true);
    await view.close();
    await vault.close();
  });

  it('is switched on again when it is off, says why it stays off, and is left to its owner once it is committed', async () => {
    const recovery = await shown();
    const own = path.dirname(recovery.running!.console);
    const operation = path.basename(own);
    fabric = createQemuFabric({ directory: path.dirname(own) });
    const switchOff = async (): Promise<void> => {
      await fabric!.stop(operation, { how: 'power cut' });
      await until('it is seen off', async () => (await shown()).running?.state === 'stopped', PATIENCE);
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
    await until('it is looked after again', async () => (await shown()).running?.state === 'stopped', PATIENCE);
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
