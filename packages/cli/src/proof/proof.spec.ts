import { create } from '@bufbuild/protobuf';
import { JobState, PointKind, ProofScheduleSchema, ProofSchema } from '@holdfast/protocol';
import { parsePlan } from '../plan/plan-file.ts';
import { type LoggedIn, logIn } from '../testing/logged-in.ts';
import { SAMPLE, sampleScript } from '../testing/sample-site.ts';
import { parseHours, parseTimeOfDay, scheduleTold } from './schedule-options.ts';

let person: LoggedIn;
beforeEach(async () => {
  person = await logIn(sampleScript());
});
afterEach(() => person.close());
// The library tells there of every connection that is cut on purpose.
beforeEach(() => void jest.spyOn(console, 'error').mockImplementation());
afterEach(() => jest.restoreAllMocks());

const NOW = 1_700_000_000_000n;
const proof = (passed: boolean, pointId: string) =>
  create(ProofSchema, {
    number: 3n,
    pointId,
    pointUnixMillis: NOW,
    provenUnixMillis: NOW + 60_000n,
    passed,
    signer: 'ab'.repeat(32),
    steps: [{ name: 'console', passed, detail: passed ? 'db1 login:' : 'waited in vain', seconds: 4 }],
  });

describe('points', () => {
  it('are listed with what was proven of them, and the signal of unusual writing', async () => {
    const { script } = person.site;
    const point = (letter: string, more: object = {}) => ({
      id: letter.repeat(32),
      unixMillis: NOW,
      kind: PointKind.CRASH,
      disks: ['sda'],
      ...more,
    });
    script.points = [
      point('d', { unusual: true, suspicious: true }),
      point('c', { lastBeforeUnusual: true }),
      point('b', { proof: proof(true, 'b'.repeat(32)) }),
      point('a', { proof: proof(false, 'a'.repeat(32)) }),
    ];
    script.writings = [
      {
        fromUnixMillis: NOW,
        toUnixMillis: NOW + 1000n,
        pointBefore: 'c'.repeat(32),
        beforeUnixMillis: NOW,
        incompressibleBytes: 64n * 1024n * 1024n,
        overwrittenShare: 0.8,
        suspicious: true,
      },
    ];
    script.lastProven = proof(true, 'b'.repeat(32));
    const { stdout } = await person.run(['point', 'list', 'db1']);
    expect(stdout).toMatch(/dddd.*suspicious writing/);
    expect(stdout).toMatch(/cccc.*last before unusual writing/);
    expect(stdout).toMatch(/bbbb.* proven /);
    expect(stdout).toMatch(/aaaa.*NOT PROVEN/);
    expect(stdout).toMatch(/SUSPICIOUS writing from .*64(\.0)? MiB.*80 % over data that was there/);
    expect(stdout).toMatch(/Last point before it: c{32}/);
    expect(stdout).toMatch(/Last proven point: b{12} of .*proof 3/);
    expect(await person.json(['point', 'list', 'db1'])).toMatchObject([
      { writing: 'suspicious', proof: null },
      { writing: '', lastBeforeUnusual: true },
      { proof: { passed: true, number: 3 } },
      { proof: { passed: false, steps: [{ name: 'console', detail: 'waited in vain' }] } },
    ]);
  });

  it.each([
    [true, 0, /PROVEN: point b{12} .*proof 3/],
    [false, 1, /NOT PROVEN: point b{12}: console: waited in vain/],
  ])('are proven on demand; that one passed is %s', async (passed, status, words) => {
    const { script } = person.site;
    const at = script.machines.findIndex(({ id }) => id === SAMPLE.db1);
    script.machines[at] = { ...script.machines[at]!, lastProof: proof(passed, 'b'.repeat(32)), lastProven: proof(true, 'a'.repeat(32)) };
    script.before = (method) => {
      if (method === 'look') script.jobs[0] = { ...script.jobs[0]!, state: JobState.SUCCEEDED };
    };
    const told = await person.run(['point', 'prove', 'db1', '--point', 'bbbb', '--prove-port', '22', '--prove-port', '5432', '--wait']);
    expect([told.status, told.stdout]).toEqual([status, expect.stringMatching(words)]);
    expect(script.orders.at(-1)).toMatchObject({ machine: SAMPLE.db1, point: 'bbbb', checks: { ports: [22, 5432] } });
    await person.json(['point', 'prove', 'db1']);
    expect((script.orders.at(-1) as { checks?: unknown }).checks).toBeUndefined();
    const shown = await person.run(['machine', 'show', 'db1']);
    expect(shown.stdout).toMatch(/proven +point a{12}/);
    expect(/NOT PROVEN +point b{12}/.test(shown.stdout)).toBe(!passed);
  });
});

describe('a schedule of proofs', () => {
  it('is told of a policy, and changed part by part', async () => {
    await person.json([
      'policy',
      'set',
      'silver',
      '--prove-every',
      '1d',
      '--prove-at',
      '02:30',
      '--prove-port',
      '22',
      '--prove-agent',
      '--prove-fsck',
    ]);
    expect(await person.json(['policy', 'show', 'silver'])).toMatchObject({
      proof: { everyHours: 24, at: '02:30', ports: [22], agent: true, fsck: true, maxAgeHours: 48 },
    });
    await person.json(['policy', 'set', 'silver', '--prove-every', '7d']);
    const { stdout } = await person.run(['policy', 'show', 'silver']);
    expect(stdout).toContain('every 7d at 02:30 UTC: a login prompt, port 22, the agent inside, file systems; alert above 14d');
    expect(await person.json(['policy', 'set', 'silver', '--prove-every', 'off', '--prove-port', 'none'])).toMatchObject({ proof: null });
    expect((await person.run(['policy', 'set', 'silver', '--prove-at', '25:00'])).status).toBe(2);
  });

  it('is told of a plan in its file', () => {
    const groups = 'groups:\n  - { machines: [db1] }\n';
    const text = `${groups}proof: { every: 7d, at: '02:30', console: 'ready', ports: [5432], agent: true, fsck: true, script: ledger, max-age: 10d, patience: 5min }\n`;
    expect(parsePlan('shop', 'f', text).proof).toMatchObject({
      everyHours: 168,
      atMinute: 150,
      console: 'ready',
      ports: [5432],
      awaitAgent: true,
      checkFileSystems: true,
      script: 'ledger',
      maxAgeHours: 240,
      patienceSeconds: 300,
    });
    expect(parsePlan('shop', 'f', groups).proof).toBeUndefined();
    for (const wrong of ['{ every: soon }', '{ every: 1d, ports: [0] }', '{ every: 1d, at: noon }', '{ sometimes: yes }'])
      expect(() => parsePlan('shop', 'f', `${groups}proof: ${wrong}\n`)).toThrow(expect.objectContaining({ code: 'SETTING_INVALID' }));
  });

  it('is read as people write it', () => {
    expect(['6h', '1d', '7 d', 'off'].map(parseHours)).toEqual([6, 24, 168, 0]);
    expect(['0:00', '02:30', '23:59'].map(parseTimeOfDay)).toEqual([0, 150, 1439]);
    for (const text of ['0h', '1w', '']) expect(() => parseHours(text)).toThrow();
    const before = create(ProofScheduleSchema, { everyHours: 24, ports: [22] });
    expect(scheduleTold({}, before)).toBeUndefined();
    expect(scheduleTold({ proveAt: 5 }, before)).toMatchObject({ everyHours: 24, atMinute: 5, ports: [22] });
    expect(before.atMinute).toBe(0);
  });
});
