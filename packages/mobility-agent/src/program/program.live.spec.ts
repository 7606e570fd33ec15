import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { openTestSite, type TestSite } from '@holdfast/daemon/conformance';
import { HoldfastError } from '@holdfast/errors';
import { createReplicationServer, DiskPhase, idBytes, idText, newId, type ReplicationServer } from '@holdfast/protocol';
import { forgetTrace } from '../engine/open-trace-capture.ts';
import { createReceiver } from '../scan/testing/receiver.ts';
import { createModelServer, type ModelServer } from '../sender/testing/model-server.ts';
import { until } from '../sender/testing/until.ts';
import { createLoopDisk, type LoopDisk } from '../trace/testing/loop-disk.ts';
import { type AgentProcess, killAgents, startAgent } from './testing/agent-process.ts';

const MIB = 1024 * 1024;

const write = (disk: LoopDisk, offset: number, length: number, fill: number): void => {
  const fd = fs.openSync(disk.path, 'r+');
  fs.writeSync(fd, Buffer.alloc(length, fill), 0, length, offset);
  fs.fsyncSync(fd);
  fs.closeSync(fd);
};

/** The identity of a machine that is not this one. */
const hardwareFile = (directory: string, name: string): string => {
  const file = path.join(directory, `${name}.json`);
  fs.writeFileSync(file, JSON.stringify({ productUuid: crypto.randomUUID(), productSerial: name, macAddresses: [], machineId: newId() }));
  return file;
};

describe.unless(lacks('root', 'losetup'), 'holdfast-agent', () => {
  const undo: (() => unknown)[] = [];
  afterEach(async () => {
    await killAgents();
    for (const step of undo.splice(0).reverse()) await step();
  });

  /** An installation: a configuration server, a process server with a vault in memory, and a machine with one disk. */
  const openInstallation = async () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'agent-'));
    undo.push(() => fs.rmSync(directory, { recursive: true }));
    const site: TestSite = await openTestSite();
    undo.push(() => site.close());
    const model: ModelServer = createModelServer();
    const serials = new Set<string>();
    let refusal: HoldfastError | undefined;
    const own = await site.authority.issue({ role: 'process-server', id: newId() });
    const server: ReplicationServer = await createReplicationServer({
      host: '127.0.0.1',
      port: 0,
      credentials: { current: () => own },
      receiveWindow: MIB,
      roles: ['agent'],
      admit({ serial }) {
        serials.add(serial);
        if (refusal !== undefined) throw refusal;
      },
      serve: (call) => model.serve(call),
      onProblem: () => undefined,
    });
    undo.push(() => server.close());
    const disk = createLoopDisk(32 * MIB);
    undo.push(() => disk.detach());
    const flags = (state: string, hardware: string): string[] =>
      Object.entries({
        'state.directory': path.join(directory, state),
        'identity.hardware-file': hardware,
        'disks.include': disk.path,
        'http.listen': '127.0.0.1:0',
        'trace.memory-directory': '/dev/shm',
        'trace.buffer': '8MiB',
        'hrl.quota': '64MiB',
        'hrl.segment': '4MiB',
        'hrl.memory': '16MiB',
        'report.interval': '200ms',
        'sender.retry-first': '20ms',
        'sender.retry-longest': '200ms',
      }).map(([name, value]) => `--${name}=${value}`);
    const join = async (agentFlags: readonly string[]): Promise<string> => {
      const { host, port } = site.address;
      const before = site.members.length;
      const command = ['join', '--server', `${host}:${port}`, '--fingerprint', site.fingerprint, ...agentFlags];
      const joining = startAgent(command, `${site.createToken()}\n`);
      expect([await joining.ended, joining.text()]).toEqual([0, expect.anything()]);
      const { id } = site.members[before]!;
      undo.push(() => {
        for (const left of ['log', 'sender.json']) fs.rmSync(`/dev/shm/holdfast-${id}-${left}`, { recursive: true, force: true });
        forgetTrace(id, { bufferBytes: 1 << 20, memoryDirectory: '/dev/shm' });
      });
      return id;
    };
    /** All disks of the machine, as the configuration server does it, when it has told of so many. */
    const protect = async (id: string, count = 1): Promise<void> => {
      const { hello } = await site.agents.stream((stream) => stream.id === id && stream.hello.manifest?.disks.length === count);
      const disks = hello.manifest!.disks.map((one) => one.id);
      site.agents.setState(id, {
        revision: BigInt(count),
        protection: {
          machineId: idBytes(id),
          diskIds: disks,
          processServers: [`127.0.0.1:${server.port}`],
          pointIntervalSeconds: 1,
          compression: 'lz4',
        },
      });
    };
    const points = (): number => model.vault.filter(({ cut }) => cut.point !== undefined).length;
    /** The disk as the vault's newest point has it. */
    const newest = async (): Promise<Buffer> => {
      const receiver = createReceiver();
      for (const received of model.vault) await receiver.receive(received);
      const { point } = model.vault.findLast(({ cut }) => cut.point !== undefined)!.cut;
      return receiver.state(point!.members[0]!.epoch!);
    };
    const expectInVault = async (agent: AgentProcess): Promise<void> => {
      const seen = points();
      await until(
        'two more points',
        () => points() >= seen + 2,
        () => [agent.text(), ...agent.lines.slice(-20)],
      );
      expect((await newest()).equals(fs.readFileSync(disk.image))).toBe(true);
    };
    const refuse = (error: HoldfastError | undefined): void => {
      refusal = error;
      model.restart();
    };
    return { directory, site, model, disk, flags, join, protect, points, expectInVault, serials, refuse };
  };

  it('joins, protects, makes points, and goes on after a SIGKILL without copying again', async () => {
    const { directory, site, model, disk, flags, join, protect, expectInVault } = await openInstallation();
    write(disk, 3 * MIB, 2 * MIB, 1);
    const hardware = hardwareFile(directory, 'one');
    const settings = flags('state', hardware);
    const id = await join(settings);
    let agent = startAgent(settings);
    await agent.line('This machine is a member');
    await protect(id);
    await expectInVault(agent);
    const stream = await site.agents.stream((one) => one.id === id);
    const report = await stream.report(({ disks, points }) => disks[0]?.phase === DiskPhase.REPLICATING && points > 0n);
    expect(report).toMatchObject({ revision: 1n, disks: [{ size: BigInt(32 * MIB), copiedBytes: BigInt(32 * MIB), problemCode: '' }] });
    expect(report.rpoSeconds).toBeLessThan(60);

    for (let kills = 1; kills <= 3; kills += 1) {
      expect(await agent.kill('SIGKILL')).toBe('SIGKILL');
      write(disk, (10 + kills) * MIB, 64 * 1024, kills + 1);
      // With the configuration server away it goes by what was wanted last.
      if (kills === 2) await site.stop();
      if (kills === 3) await site.start();
      agent = startAgent(settings);
      await expectInVault(agent);
    }
    const generations = new Set(model.vault.flatMap(({ cut }) => cut.epochs.map(({ generationId }) => idText(generationId))));
    expect(generations.size).toBe(1);
    expect(model.violations).toEqual([]);
    expect(await agent.kill('SIGTERM')).toBe(0);
  });

  it('tells of a disk that comes while it runs, and protects it beside the others, which are not disturbed', async () => {
    const { directory, model, disk, flags, join, protect, expectInVault } = await openInstallation();
    const late = path.join(directory, 'late');
    const settings = flags('state', hardwareFile(directory, 'one')).map((flag) =>
      flag.startsWith('--disks.include=') ? `${flag},${late}` : flag,
    );
    const id = await join(settings);
    const agent = startAgent([...settings, '--disks.look=100ms']);
    await agent.line('This machine is a member');
    await protect(id);
    await expectInVault(agent);
    const second = createLoopDisk(8 * MIB);
    undo.push(() => second.detach());
    write(second, MIB, MIB, 7);
    fs.symlinkSync(second.path, late);
    await protect(id, 2);
    const whole = () => model.vault.findLast(({ cut }) => cut.point?.members.length === 2 && cut.point.disksNotYetCopied.length === 0);
    await until(
      'a point with both',
      () => whole() !== undefined,
      () => [agent.text(), ...agent.lines.slice(-20)],
    );
    const receiver = createReceiver();
    const last = model.vault.indexOf(whole()!);
    for (const received of model.vault.slice(0, last + 1)) await receiver.receive(received);
    const states = whole()!.cut.point!.members.map(({ epoch }) => receiver.state(epoch!));
    expect(states.map((state) => [disk, second].findIndex(({ image }) => state.equals(fs.readFileSync(image)))).toSorted()).toEqual([0, 1]);
    const generations = new Set(model.vault.flatMap(({ cut }) => cut.epochs.map(({ generationId }) => idText(generationId))));
    expect(generations.size).toBe(2);
    expect(model.violations).toEqual([]);
    expect(await agent.kill('SIGTERM')).toBe(0);
  });

  it('loses nothing however often it is killed while the disk is written', async () => {
    const { directory, model, disk, flags, join, protect, points, expectInVault } = await openInstallation();
    const settings = flags('state', hardwareFile(directory, 'one'));
    const id = await join(settings);
    let agent = startAgent(settings);
    await agent.line('This machine is a member');
    await protect(id);
    await until(
      'a point',
      () => points() > 0,
      () => [agent.text(), ...agent.lines.slice(-20)],
    );
    let isWriting = true;
    const writer = (async () => {
      for (let turn = 0; isWriting; turn += 1) {
        write(disk, ((turn * 7919) % 8000) * 4096, 4096 * (1 + (turn % 4)), turn % 251);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    })();
    for (let kills = 0; kills < 8; kills += 1) {
      await new Promise((resolve) => setTimeout(resolve, 400 + kills * 150));
      await agent.kill('SIGKILL');
      agent = startAgent(settings);
    }
    isWriting = false;
    await writer;
    await expectInVault(agent);
    expect(new Set(model.vault.flatMap(({ cut }) => cut.epochs.map(({ generationId }) => idText(generationId)))).size).toBe(1);
    expect(model.violations).toEqual([]);
  });

  it('goes on with renewed certificates, and says so when its certificate is revoked', async () => {
    const { directory, site, model, flags, join, protect, expectInVault, serials, refuse } = await openInstallation();
    site.lifetime = 6_000;
    const settings = flags('state', hardwareFile(directory, 'one'));
    const id = await join([...settings]);
    const agent = startAgent([...settings, '--sender.retry-refused=200ms']);
    await agent.line('This machine is a member');
    await protect(id);
    await expectInVault(agent);
    // Its own word: between the answer of the site and that, it still connects with the old one.
    await agent.line('The certificate was renewed');
    expect(site.renewals).toBeGreaterThan(0);
    model.restart();
    await expectInVault(agent);
    expect(serials.size).toBeGreaterThan(1);

    site.revoke(id);
    refuse(new HoldfastError('CERTIFICATE_REVOKED', { thing: 'the agent', why: 'it was removed', remedy: 'enrol it again' }));
    await agent.line(/CERTIFICATE_REVOKED/);
    const before = model.streams;
    refuse(undefined);
    await until(
      'it asked again',
      () => model.streams > before,
      () => agent.lines.slice(-20),
    );
    expect(await agent.kill('SIGTERM')).toBe(0);
  });

  it('shows its disks and its log', async () => {
    const { directory, disk, flags, join, protect, expectInVault } = await openInstallation();
    const settings = flags('state', hardwareFile(directory, 'one'));
    const show = async (...command: string[]): Promise<string> => {
      const shown = startAgent([...command, ...settings]);
      expect([await shown.ended, shown.text()]).toEqual([0, expect.any(String)]);
      return shown.text();
    };
    expect(await show('disks')).toContain(`${disk.path}  32MiB  device  no id yet  can be protected`);
    const id = await join(settings);
    const agent = startAgent(settings);
    await agent.line('This machine is a member');
    await protect(id);
    await expectInVault(agent);
    const [found] = JSON.parse(await show('disks', '--output', 'json')) as { id: string; path: string; size: number }[];
    expect(found).toMatchObject({ path: disk.path, size: 32 * MIB });
    expect(await show('hrl', 'inspect')).toContain(`agent log`);
    const [log] = JSON.parse(await show('hrl', 'inspect', '--output=json')) as { findings: { kind: string }[] }[];
    expect(log!.findings).toContainEqual(expect.objectContaining({ kind: 'log', machineId: id }));
    expect(log!.findings).toContainEqual(expect.objectContaining({ kind: 'freed', diskId: found!.id }));
  });

  it('waits and says how to join while it is no member', async () => {
    const { directory, flags, join } = await openInstallation();
    const settings = flags('state', hardwareFile(directory, 'one'));
    const agent = startAgent(settings);
    expect(await agent.line(/cannot take part/)).toMatchObject({ error: { code: 'NOT_ENROLLED' } });
    await agent.line(/holdfast-agent join --server/);
    await join(settings);
    await agent.line('This machine is a member');
    expect(await agent.kill('SIGTERM')).toBe(0);
  });

  it('sends nothing from a copied state directory on another machine', async () => {
    const { directory, site, model, flags, join, protect, expectInVault } = await openInstallation();
    const settings = flags('state', hardwareFile(directory, 'one'));
    const id = await join(settings);
    const agent = startAgent(settings);
    await agent.line('This machine is a member');
    await protect(id);
    await expectInVault(agent);
    await agent.kill('SIGTERM');
    const [streams, hellos] = [model.streams, site.agents.live.length];

    fs.cpSync(path.join(directory, 'state'), path.join(directory, 'copy'), { recursive: true });
    const clone = startAgent(flags('copy', hardwareFile(directory, 'two')));
    expect(await clone.line(/cannot take part/)).toMatchObject({ error: { code: 'AGENT_CLONED' } });
    // Long enough for the original to have made several points.
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect([model.streams, site.agents.live.length]).toEqual([streams, hellos]);
    expect(await clone.kill('SIGTERM')).toBe(0);
  });
});
