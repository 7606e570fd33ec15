import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { toJson } from '@bufbuild/protobuf';
import { Direction, RecoveryKind, RecoveryPlanSchema } from '@holdfast/protocol';
import { type LoggedIn, logIn } from '../testing/logged-in.ts';
import { sampleScript } from '../testing/sample-site.ts';
import { parsePlan } from './plan-file.ts';

const PLAN = `
note: the shop
groups:
  - name: data
    machines: [db1]
    after: [{ script: check-ledger }]
  - name: front
    delay: 2min
    before:
      - manual: point the load balancer to the recovery site
    machines:
      - web1
      - { name: web2, size: 2x4GiB, network: br-dr, point: 2026-11-22T01:02:03Z }
`;

describe('a plan in YAML', () => {
  it('says what the API is told', () => {
    expect(toJson(RecoveryPlanSchema, parsePlan('shop', 'f', PLAN))).toEqual({
      name: 'shop',
      note: 'the shop',
      groups: [
        { name: 'data', machines: [{ machine: 'db1' }], after: [{ script: 'check-ledger' }] },
        {
          name: 'front',
          delaySeconds: 120,
          before: [{ manual: 'point the load balancer to the recovery site' }],
          machines: [
            { machine: 'web1' },
            {
              machine: 'web2',
              point: expect.stringMatching(/^2026-11-22T01:02:03(\.000)?Z$/),
              target: { size: '2x4GiB', network: 'br-dr' },
            },
          ],
        },
      ],
    });
  });

  it.each([
    ['groups: 7', 'groups is no list'],
    ['{', 'it is no YAML'],
    ['machines: [db1]', 'a plan has no machines'],
    ['groups: [{ machines: [{ nam: x }] }]', 'a machine has no nam'],
    ['groups: [{ before: [{ manual: x, script: y }] }]', 'either manual or a script'],
    ['groups: [{ delay: soon }]', 'delay is no time'],
    ['groups: [7]', 'a group is no mapping'],
  ])('is refused by name: %s', (text, why) => {
    expect(() => parsePlan('shop', 'shop.yaml', text)).toThrow(
      expect.objectContaining({ code: 'SETTING_INVALID', why: expect.stringContaining(why) }),
    );
  });
});

describe('holdfast plan', () => {
  let person: LoggedIn;
  let directory: string;
  let file: string;
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'plan-'));
    file = path.join(directory, 'shop.yaml');
    await writeFile(file, PLAN);
    person = await logIn(sampleScript());
    expect((await person.run(['plan', 'create', 'shop', '--from', file])).status).toBe(0);
  });
  afterEach(async () => {
    await person.close();
    await rm(directory, { recursive: true });
  });

  it('is shown, changed and deleted', async () => {
    expect((await person.run(['plan', 'list'])).stdout).toMatch(/shop +\w+ +2 +db1, web1, web2/);
    expect((await person.run(['plan', 'show', 'shop'])).stdout).toContain('wait 2 min 0 s');
    await writeFile(file, 'groups: [{ machines: [db1] }]');
    expect(await person.json(['plan', 'set', 'shop', '--from', file])).toMatchObject({
      name: 'shop',
      groups: [{ machines: [{ name: 'db1' }] }],
    });
    expect(await person.json(['plan', 'delete', 'shop'])).toMatchObject({ deleted: true });
    expect(await person.run(['plan', 'create', 'x', '--from', path.join(directory, 'none')])).toMatchObject({ status: 4 });
  });

  it('is checked: what is in the way is a finding', async () => {
    const { status, stdout } = await person.run(['plan', 'check', 'shop']);
    expect([status, stdout]).toEqual([
      1,
      expect.stringMatching(/1\. data: start db1\n\nWHAT .*\ndb1 +error +it is not protected +protect it/),
    ]);
  });

  it('is run as a test at once, and as a failover when that is confirmed', async () => {
    const { orders } = person.site.script;
    expect((await person.run(['plan', 'run', 'shop'])).status).toBe(0);
    expect(orders).toMatchObject([{ kind: RecoveryKind.TEST, direction: Direction.FORWARD, shutdownSource: false }]);
    const asked = await person.run(['plan', 'run', 'shop', '--failover']);
    expect([asked.status, orders.length]).toEqual([2, 1]);
    for (const said of ['direction  forward', '1. data: start db1', '! db1: it is not protected']) expect(asked.stderr).toContain(said);
    expect((await person.run(['plan', 'run', 'shop', '--failover', '--shutdown-source', '--yes'])).status).toBe(0);
    expect(orders[1]).toMatchObject({ kind: RecoveryKind.FAILOVER, shutdownSource: true });
    expect((await person.run(['plan', 'runs', 'shop'])).stdout).toMatch(/shop +failover .* running .* 4\.2 s .*1\/1/);
    const { id } = ((await person.json(['plan', 'runs'])) as { id: string }[])[0]!;
    expect((await person.run(['plan', 'report', id])).stdout).toContain('4.2 s until the last of 1 machine ran');
    expect((await person.run(['plan', 'cleanup', id, '--notes', 'well'])).status).toBe(0);
    expect(orders[2]).toMatchObject({ run: id, notes: 'well' });
  });
});
