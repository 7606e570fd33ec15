import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { until } from '../lab/host/until.ts';
import { MINI_TOOLS } from '../mini-image/index.ts';
import type { Person } from './cli-process.ts';
import { openRecoveryInstallation, type RecoveryInstallation, type SiteMachine } from './recovery-site.ts';

const PATIENCE = { seconds: 120 };
const SIZE = ['--size', '1x256MiB'] as const;

interface Job {
  readonly id: string;
  readonly state: string;
  readonly question: { readonly text: string } | null;
}

interface Run {
  readonly id: string;
  readonly state: string;
  readonly rtoSeconds: number;
  readonly machines: readonly {
    readonly name: string;
    readonly group: number;
    readonly state: string;
    readonly runningAfterSeconds: number;
  }[];
}

/** Two machines and two process servers: what goes beyond one machine, and what is for good. */
describe.unless(lacks('root', 'qemu-system-x86_64', ...MINI_TOOLS), 'machines that run for real', () => {
  let site: RecoveryInstallation;
  let person: Person;
  let [one, two]: SiteMachine[] = [];

  beforeAll(async () => {
    site = await openRecoveryInstallation({
      machines: ['one', 'two'],
      gateways: ['gw1', 'gw2'],
      settings: (scripts) => `plans: { scripts: ${JSON.stringify(path.join(scripts, 'plans'))} }`,
    });
    person = site.person;
    [one, two] = site.machines;
  });
  afterAll(() => site?.close());

  it('start by a plan: groups in order, delays, scripts, somebody asked in between, and a report of what it took', async () => {
    const plans = path.join(site.scripts, 'plans');
    const said = path.join(site.directory, 'said');
    await mkdir(plans, { mode: 0o700 });
    await writeFile(path.join(plans, 'note'), `#!/bin/sh\necho "$HOLDFAST_GROUP $HOLDFAST_PHASE $HOLDFAST_MACHINES" >> ${said}\n`);
    await chmod(path.join(plans, 'note'), 0o700);
    const file = path.join(site.directory, 'plan.yaml');
    const machine = (name: string): string => `{ name: ${name}, size: 1x256MiB }`;
    await writeFile(
      file,
      `groups:
  - { name: data, machines: [${machine('one')}], after: [{ script: note }, { manual: look at the ledger }] }
  - { name: front, delay: 2s, before: [{ script: note }], machines: [${machine('two')}] }
`,
    );
    await person.json(['plan', 'create', 'shop', '--from', file]);
    const check = await person.run(['plan', 'check', 'shop']);
    expect([check.status, check.stderr]).toEqual([0, '']);
    const { id } = await person.json<Job>(['plan', 'run', 'shop']);
    const job = () => person.json<Job>(['job', 'show', id]);
    await until('somebody is asked', async () => (await job()).question !== null, PATIENCE);
    expect((await job()).question!.text).toContain('look at the ledger');
    // Nothing of the second group has begun.
    expect(await person.json(['recovery', 'list', '--open'])).toMatchObject([{ machine: { name: 'one' }, state: 'running' }]);
    expect(await readFile(said, 'utf8')).toBe('data after one\n');
    await one!.starts(await one!.shown());
    await person.json(['job', 'answer', id, 'done', '--note', 'it is whole']);
    await until('the plan has run', async () => (await job()).state === 'succeeded', PATIENCE);
    expect(await readFile(said, 'utf8')).toBe('data after one\nfront before two\n');
    await two!.starts(await two!.shown());
    const [run] = await person.json<Run[]>(['plan', 'runs', 'shop']);
    const [first, second] = run!.machines;
    expect(run).toMatchObject({
      state: 'succeeded',
      machines: [
        { name: 'one', state: 'running' },
        { name: 'two', state: 'running' },
      ],
    });
    expect(second!.runningAfterSeconds - first!.runningAfterSeconds).toBeGreaterThanOrEqual(2);
    expect(run!.rtoSeconds).toBeGreaterThanOrEqual(second!.runningAfterSeconds);
    await person.json(['plan', 'cleanup', run!.id, '--notes', 'both came up']);
    await until('both are gone', async () => (await person.json<object[]>(['recovery', 'list', '--open'])).length === 0, PATIENCE);
  });

  it('start at once within a group', async () => {
    const file = path.join(site.directory, 'both.yaml');
    await writeFile(file, 'groups:\n  - { name: all, machines: [{ name: one, size: 1x256MiB }, { name: two, size: 1x256MiB }] }\n');
    await person.json(['plan', 'create', 'both', '--from', file]);
    const run = await person.json<Run>(['plan', 'run', 'both', '--wait'], {});
    const open = await person.json<{ created: string; startSeconds: number }[]>(['recovery', 'list', '--open']);
    const [a, b] = open.map(({ created, startSeconds }) => ({ from: Date.parse(created), to: Date.parse(created) + 1000 * startSeconds }));
    // Each began before the other one ran.
    expect(Math.max(a!.from, b!.from)).toBeLessThan(Math.min(a!.to, b!.to));
    for (const machine of [one!, two!]) await machine.starts(await machine.shown());
    await person.json(['plan', 'cleanup', run.id]);
    await until('both are gone', async () => (await person.json<object[]>(['recovery', 'list', '--open'])).length === 0, PATIENCE);
  });

  it('are proven: started in isolation, looked at, signed, and gone again', async () => {
    const proven = await person.run(['point', 'prove', 'one', '--prove-console', 'HOLDFAST-BOOT-OK', '--wait']);
    expect([proven.status, proven.stdout]).toEqual([0, expect.stringContaining('PROVEN: point')]);
    const { lastProven } = await person.json<{ lastProven: { point: string; number: number; signer: string } }>(['machine', 'show', 'one']);
    expect(await one!.points()).toContainEqual(
      expect.objectContaining({ id: lastProven.point, proof: expect.objectContaining({ passed: true }) }),
    );
    // By the vault alone: signed, and about this machine and its log.
    const proofs = await person.json<object[]>([
      ...[
        'recover',
        'proofs',
        '--vault',
        `file://${path.join(site.directory, 'vault')}`,
        '--key-file',
        path.join(site.directory, 'vault.key'),
      ],
      ...['--machine', 'one', '--signer', lastProven.signer],
    ]);
    expect(proofs).toMatchObject([{ proof: lastProven.number, point: lastProven.point, passed: true, faults: [] }]);
    const none = await person.run(['point', 'prove', 'one', '--prove-console', 'what it never says', '--prove-patience', '5s', '--wait']);
    expect([none.status, none.stdout]).toEqual([1, expect.stringContaining('NOT PROVEN')]);
    const alerts = () => person.json<{ code: string }[]>(['alert', 'list']);
    await until('an alert', async () => (await alerts()).some(({ code }) => code === 'proof-failed'), PATIENCE);
    for (const gateway of ['gw1', 'gw2'])
      expect(await readdir(path.join(site.directory, gateway, 'state', 'recovery', 'proofs'))).toEqual([]);
  });

  it('change their point: what ran goes, and the earlier state starts in its place', async () => {
    await one!.scribble(1);
    const early = await one!.nextPoint();
    await one!.scribble(2);
    await one!.nextPoint();
    await person.json(['failover', 'start', 'one', ...SIZE, '--yes', '--wait'], {});
    const before = await one!.shown();
    await one!.starts(before);
    expect(await one!.scribbled(before.point.id)).toBe(2);
    await person.json(['failover', 'change-point', 'one', '--point', early.id, '--yes', '--wait'], {});
    const after = await one!.shown();
    expect(after).toMatchObject({ id: before.id, point: { id: early.id }, running: { state: 'running' } });
    await one!.starts(after);
    expect(await one!.scribbled(early.id)).toBe(1);
    expect(await one!.history(({ failedOver }) => failedOver)).toMatchObject({ operationId: before.id, pointId: early.id });
    await expect(readFile(before.running!.console)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('are committed for good, and their source is protected again only when somebody says so', async () => {
    const recovery = await one!.shown();
    await person.json(['failover', 'commit', 'one', '--yes', '--wait'], {});
    expect(await person.json(['machine', 'show', 'one'])).toMatchObject({ protection: { state: 'committed' } });
    const committed = await one!.shown();
    expect(committed).toMatchObject({ id: recovery.id, state: 'committed', running: { state: 'running' } });
    expect((await person.run(['failover', 'cancel', 'one', '--yes'])).stderr).toContain('OPERATION_REFUSED');
    await person.json(['unprotect', 'one', '--yes', '--wait'], {});
    const points = await one!.history((history) => history.points.length);
    const refused = await person.run(['protect', 'one', '--vault', 'office', '--wait']);
    expect(refused).toMatchObject({ status: 8, stderr: expect.stringContaining('--source-again') });
    expect(await one!.history(({ failedOver }) => failedOver?.operationId)).toBe(recovery.id);
    await person.json(['protect', 'one', '--vault', 'office', '--source-again', '--wait'], {});
    await one!.scribble(3);
    const { id } = await one!.nextPoint();
    expect(await one!.scribbled(id)).toBe(3);
    expect(await one!.history(({ failedOver }) => failedOver)).toBeUndefined();
    expect(await one!.history((history) => history.points.length)).toBeGreaterThan(points);
    // What it was failed over to runs on, also when its process server starts anew.
    for (const gateway of site.gateways) {
      await gateway.kill();
      await gateway.start();
    }
    await until('it is looked after again', async () => (await one!.shown()).running?.state === 'running', PATIENCE);
  });

  it('are handed over while their process server is away, which removes what it runs when it comes back', async () => {
    const servers = () => person.json<{ id: string; name: string; connected: boolean }[]>(['server', 'list']);
    await until('both are there', async () => (await servers()).every(({ connected }) => connected), PATIENCE);
    await person.json(['failover', 'start', 'two', ...SIZE, '--process-server', (await servers())[0]!.name, '--yes', '--wait'], {});
    const before = await two!.shown();
    await two!.starts(before);
    const away = site.gateways[(await ownerOf(before.running!.console)) === 'gw1' ? 0 : 1]!;
    await away.kill();
    await until('it is away', async () => (await servers()).some(({ connected }) => !connected), PATIENCE);
    await person.json(['failover', 'cancel', 'two', '--hand-over', '--yes', '--wait'], {});
    await two!.scribble(5);
    await two!.nextPoint();
    // Nobody could tell it: it runs still.
    await readFile(before.running!.console);
    await away.start();
    const isGone = (): Promise<boolean> =>
      readFile(before.running!.console).then(
        () => false,
        () => true,
      );
    await until('what it ran is gone', isGone, PATIENCE);
    const alerts = () => person.json<{ code: string }[]>(['alert', 'list']);
    await until('no alert is left', async () => !(await alerts()).some(({ code }) => code === 'recovery-left-over'), PATIENCE);
    expect(await two!.history(({ failedOver }) => failedOver)).toBeUndefined();
  });

  const ownerOf = async (console: string): Promise<string> => (console.includes(`${path.sep}gw1`) ? 'gw1' : 'gw2');
});
