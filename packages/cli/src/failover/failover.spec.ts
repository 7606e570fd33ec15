import { Direction, PointKind, RecoveryKind, RecoveryStage, RecoveryState } from '@holdfast/protocol';
import { type LoggedIn, logIn } from '../testing/logged-in.ts';
import { SAMPLE_NOW, sampleScript } from '../testing/sample-site.ts';

describe('holdfast failover, recovery and point', () => {
  let person: LoggedIn;
  let machine: { readonly id: string; readonly name: string };
  const POINT = 'a1'.repeat(16);
  beforeEach(async () => {
    person = await logIn(sampleScript());
    const { script } = person.site;
    machine = script.machines[0] as typeof machine;
    script.points = [
      { id: POINT, unixMillis: BigInt(SAMPLE_NOW - 12_000), kind: PointKind.CRASH, disks: ['sda'], changedBytes: 1024n },
      { id: 'b2'.repeat(16), unixMillis: BigInt(SAMPLE_NOW - 60_000), kind: PointKind.APPLICATION, disks: ['sda'], held: true },
    ];
  });
  afterEach(() => person.close());

  it('lists points, and tells what a word means', async () => {
    const { stdout } = await person.run(['point', 'list', machine.name]);
    expect(stdout).toMatch(/POINT\s+TIME\s+AGE\s+KIND/);
    expect(stdout).toMatch(/a1a1a1a1a1a1\s+\S+\s+12 s\s+crash/);
    expect(stdout).toMatch(/b2b2b2b2b2b2.*application.*held/);
    expect(await person.json(['point', 'ls', machine.name, '--point', 'b2b2'])).toMatchObject([
      { id: 'b2'.repeat(16), kind: 'application' },
    ]);
    expect(await person.run(['point', 'list', machine.name, '--point', 'dddd'])).toMatchObject({
      status: 4,
      stderr: expect.stringContaining('POINT_NOT_FOUND'),
    });
  });

  it('asks before a failover: direction, machine, point, and what becomes of the source', async () => {
    const { orders } = person.site.script;
    const alone = await person.run(['failover', 'start', machine.name]);
    expect([alone.status, orders]).toEqual([2, []]);
    expect(alone.stderr).toContain('add --yes');
    for (const said of ['direction  forward', machine.name, 'a1a1a1a1', 'latest: what is on its way arrives first', 'not shut down'])
      expect(alone.stderr).toContain(said);
    const wrong = await person.run(['failover', 'start', machine.name], { ask: async () => 'yes' });
    expect([wrong.status, orders]).toEqual([2, []]);
    const right = await person.run(['failover', 'start', machine.name, '--shutdown-source'], { ask: async () => `${machine.name}\n` });
    expect(right.status).toBe(0);
    expect(right.stderr).toContain('brought to rest and powered off');
    expect(orders).toMatchObject([
      { machine: machine.id, point: 'latest', shutdownSource: true, force: false, direction: Direction.FORWARD },
    ]);
    expect(await person.run(['failover', 'start', machine.name, '--planned'])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--shutdown-source --point latest'),
    });
  });

  it('tests without asking, and cleans up with notes', async () => {
    const { orders } = person.site.script;
    expect((await person.run(['failover', 'test', machine.name, '--point', 'b2b2', '--size', '2x1GiB'])).status).toBe(0);
    expect(orders).toMatchObject([{ machine: machine.id, point: 'b2b2', target: { size: '2x1GiB', testNetwork: '' } }]);
    expect((await person.run(['failover', 'cleanup', machine.name, '--notes', 'all is well'])).status).toBe(0);
    expect(orders[1]).toMatchObject({ machine: machine.id, notes: 'all is well' });
  });

  it('says before a commit, a cancel and a change of point what is lost', async () => {
    const { orders } = person.site.script;
    const commit = await person.run(['failover', 'commit', machine.name, '--yes']);
    expect(commit.stderr).toMatch(/kept +the machine as it runs\n +deleted +the way back/);
    expect(orders).toMatchObject([{ preview: false }]);
    expect((await person.run(['failover', 'cancel', machine.name])).stderr).toContain('lost       the recovered machine');
    expect(orders).toHaveLength(1);
    const change = await person.run(['failover', 'change-point', machine.name, '--point', 'b2b2', '--yes']);
    expect([change.status, change.stderr]).toEqual([0, expect.stringContaining('b2b2b2b2b2b2')]);
    expect(orders[1]).toMatchObject({ point: 'b2b2' });
  });

  it('asks nobody about what is not possible now', async () => {
    const { script } = person.site;
    script.impossible = ['failover', 'change-point', 'cancel-failover'];
    for (const args of [['start'], ['cancel'], ['change-point', '--point', 'b2b2']]) {
      const ask = jest.fn(async () => machine.name);
      const { status, stderr } = await person.run(['failover', args[0]!, machine.name, ...args.slice(1)], { ask });
      expect([status, stderr]).toEqual([8, expect.stringMatching(/^\[OPERATION_REFUSED\].*it is not the time; wait/)]);
      expect(ask).not.toHaveBeenCalled();
    }
    expect(script.orders).toEqual([]);
  });

  it('shows recoveries, by machine or id', async () => {
    const { script } = person.site;
    script.recoveries = [
      {
        id: 'c3'.repeat(16),
        kind: RecoveryKind.TEST,
        direction: Direction.FORWARD,
        machineId: machine.id,
        machineName: machine.name,
        state: RecoveryState.RUNNING,
        point: script.points[0]!,
        startMillis: 4200n,
        report: {
          stage: RecoveryStage.REACHED,
          detail: 'the machine runs',
          machine: { state: 'running', console: '/var/log/console', hydrated: 0.5 },
        },
      },
      {
        id: 'd4'.repeat(16),
        kind: RecoveryKind.FAILOVER,
        machineId: machine.id,
        machineName: machine.name,
        state: RecoveryState.ENDED,
        notes: 'cancelled',
      },
    ];
    const shown = await person.run(['recovery', 'show', machine.name]);
    for (const said of ['forward: source to recovery site', '4.2 s', '/var/log/console', '50 % of its disks copied'])
      expect(shown.stdout).toContain(said);
    expect(await person.json(['recovery', 'show', 'd4d4'])).toMatchObject({ kind: 'failover', notes: 'cancelled' });
    expect(await person.json(['recovery', 'ls', '--open'])).toHaveLength(1);
    expect((await person.run(['recovery', 'list'])).stdout).toMatch(/failover.*ended.*cancelled/);
    // One that was committed runs on, though it is open no more.
    script.recoveries = [script.recoveries[1]!, { ...script.recoveries[0]!, id: 'e5'.repeat(16), state: RecoveryState.COMMITTED }];
    expect(await person.json(['recovery', 'show', machine.name])).toMatchObject({ id: 'e5'.repeat(16), state: 'committed' });
  });

  it('tells what is possible, and what to do instead', async () => {
    const { stdout } = await person.run(['machine', 'operations', machine.name]);
    expect(stdout).toMatch(/failover\s+yes/);
    expect(stdout).toMatch(/commit\s+no\s+it is protected\s+fail it over first/);
  });

  it('switches a recovered machine on, and asks before one is left to its owner', async () => {
    const { orders, recoveries } = person.site.script;
    await person.run(['failover', 'start', machine.name, '--yes']);
    const { id } = recoveries[0]!;
    expect((await person.run(['recovery', 'start', machine.name])).status).toBe(0);
    expect(orders.at(-1)).toMatchObject({ recovery: id });
    // That it is to be committed first is for the server to say.
    await person.run(['recovery', 'forget', machine.name, '--yes']);
    expect(orders.pop()).toMatchObject({ recovery: id });
    recoveries[0]!.state = RecoveryState.COMMITTED;
    const alone = await person.run(['recovery', 'forget', machine.name]);
    expect([alone.status, orders.length]).toEqual([2, 2]);
    expect(alone.stderr).toContain('no command reaches it');
    expect((await person.run(['recovery', 'forget', machine.name, '--yes'])).status).toBe(0);
    expect([orders.length, orders.at(-1)]).toMatchObject([3, { recovery: id }]);
  });

  it('switches on what people work with: a test only where there is nothing else, and none by a name that means several', async () => {
    const { orders, recoveries } = person.site.script;
    const start = async () => {
      const { status, stderr } = await person.run(['recovery', 'start', machine.name]);
      return [status, status === 0 ? recoveries.find(({ id }) => id === (orders.at(-1) as { recovery: string }).recovery)!.kind : stderr];
    };
    await person.run(['failover', 'test', machine.name]);
    expect(await start()).toEqual([0, RecoveryKind.TEST]);
    await person.run(['failover', 'start', machine.name, '--yes']);
    // The test is the newer one, and the only one that is open.
    recoveries.reverse();
    expect(await start()).toEqual([0, RecoveryKind.FAILOVER]);
    recoveries.find(({ kind }) => kind === RecoveryKind.FAILOVER)!.state = RecoveryState.COMMITTED;
    expect(await start()).toEqual([0, RecoveryKind.FAILOVER]);
    await person.run(['failover', 'start', machine.name, '--yes']);
    const [newest, ...older] = recoveries.filter(({ kind }) => kind === RecoveryKind.FAILOVER).map(({ id }) => id!);
    expect(await start()).toEqual([2, expect.stringContaining(`2 recoveries are meant: ${newest}, ${older[0]}`)]);
    expect((await person.run(['recovery', 'start', older[0]!.slice(0, 8)])).status).toBe(0);
    expect(orders.at(-1)).toMatchObject({ recovery: older[0] });
    // Left to its owner is what was committed, whatever else there is.
    expect((await person.run(['recovery', 'forget', machine.name, '--yes'])).status).toBe(0);
    expect(orders.at(-1)).toMatchObject({ recovery: older[0] });
  });
});
