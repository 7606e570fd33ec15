import { type LoggedIn, logIn } from '../testing/logged-in.ts';
import { SAMPLE, sampleScript } from '../testing/sample-site.ts';

let person: LoggedIn;
beforeEach(async () => {
  person = await logIn(sampleScript());
});
afterEach(() => person.close());

describe('policy', () => {
  it('list and show tell times as people write them', async () => {
    expect((await person.run(['policy', 'list'])).stdout).toMatch(/gold +601100000000 +5s +1min +15d +zstd +1 +4\n/);
    expect((await person.run(['policy', 'show', '60'])).stdout).toMatch(/RPO alert +above 1min/);
    expect(await person.json(['policy', 'show', 'silver'])).toMatchObject({
      id: SAMPLE.silver,
      version: 1,
      name: 'silver',
      pointIntervalSeconds: 60,
      rpoThresholdSeconds: 900,
      retention: '72h',
      compression: 'lz4',
      applicationIntervalSeconds: 0,
      hold: 'never',
      holdLimitMilliseconds: 0,
      protections: 0,
    });
  });

  it('create leaves to the server what is not told', async () => {
    expect(await person.json(['policy', 'create', 'bronze', '--point-interval', '5 min', '--retention', '24h'])).toMatchObject({
      name: 'bronze',
      version: 1,
      pointIntervalSeconds: 300,
      rpoThresholdSeconds: 0,
      retention: '24h',
      compression: '',
    });
  });

  it('show names the policy whose machines follow it on their way home', async () => {
    person.site.script.policies.push({ id: 'f0'.repeat(16), version: 1n, name: 'gold-failback', failbackOf: SAMPLE.gold });
    expect((await person.run(['policy', 'show', 'gold-failback'])).stdout).toContain('the way home of machines that follow policy gold\n');
  });

  it('set changes what is told and leaves the rest', async () => {
    expect(await person.json(['policy', 'set', 'gold', '--rpo-threshold', '30s', '--name', 'platinum'])).toMatchObject({
      id: SAMPLE.gold,
      version: 5,
      name: 'platinum',
      pointIntervalSeconds: 5,
      rpoThresholdSeconds: 30,
      retention: '15d',
      compression: 'zstd',
      applicationIntervalSeconds: 0,
      hold: 'never',
      holdLimitMilliseconds: 0,
      protections: 1,
    });
  });

  it('says how long changes are gathered, what their requests cost, and when resynchronizations run', async () => {
    const set = [
      'policy',
      'set',
      'gold',
      '--seal-interval',
      '1min',
      '--resync-window',
      'mon-fri 18:00-06:00',
      '--resync-window',
      'sat,sun 00:00-24:00',
    ];
    expect(await person.json(set)).toMatchObject({
      sealIntervalSeconds: 60,
      requestCost: { busyPerDay: 1440, idlePerDay: 1440, busyPerMonth: 0.22 },
      resyncWindows: ['mon+tue+wed+thu+fri 18:00-06:00', 'sat+sun 00:00-24:00'],
      failbackOf: null,
    });
    const { stdout } = await person.run(['policy', 'show', 'gold']);
    expect(stdout).toContain('seal         after 1min: 1,440 requests a day');
    expect(await person.json(['policy', 'set', 'gold', '--seal-interval', 'off', '--resync-window', 'any'])).toMatchObject({
      sealIntervalSeconds: 0,
      requestCost: { busyPerDay: 17_280 },
      resyncWindows: [],
    });
  });

  it('says how much a machine sends, and when', async () => {
    const rules = ['--bandwidth', 'mon-fri 08:00-18:00 2MiB', '--bandwidth', 'unlimited'];
    expect(await person.json(['policy', 'set', 'gold', ...rules])).toMatchObject({
      bandwidth: ['mon+tue+wed+thu+fri 08:00-18:00 2MiB', 'unlimited'],
    });
    expect((await person.run(['policy', 'show', 'gold'])).stdout).toMatch(/bandwidth +mon\+tue\+wed\+thu\+fri 08:00-18:00 2MiB; unlimited/);
    expect((await person.run(['policy', 'set', 'gold', '--bandwidth', 'fast'])).stderr).toContain('SETTING_INVALID');
    expect(await person.json(['policy', 'set', 'gold', '--bandwidth', 'off'])).toMatchObject({ bandwidth: [] });
  });

  it('says how applications and writers are held', async () => {
    const options = ['--application-interval', '1h', '--hold', 'freeze', '--hold-limit', '500ms'];
    expect(await person.json(['policy', 'set', 'gold', ...options])).toMatchObject({
      applicationIntervalSeconds: 3600,
      hold: 'freeze',
      holdLimitMilliseconds: 500,
      pointIntervalSeconds: 5,
    });
    expect((await person.run(['policy', 'show', 'gold'])).stdout).toMatch(
      /applications at rest every 1h\n(?:.*\n)* +hold +freeze, 500ms at most/,
    );
    expect(await person.json(['policy', 'set', 'gold', '--application-interval', 'off'])).toMatchObject({ applicationIntervalSeconds: 0 });
  });

  it('set does not write over what somebody else changed', async () => {
    person.site.script.before = (method) => {
      if (method === 'PolicyService.UpdatePolicy') person.site.script.policies[0] = { ...person.site.script.policies[0]!, version: 5n };
    };
    expect(await person.run(['policy', 'set', 'gold', '--retention', '24h', '--yes'])).toMatchObject({
      status: 8,
      stderr: expect.stringContaining('[VERSION_CONFLICT]'),
    });
    expect(person.site.script.policies[0]).toMatchObject({ retention: '15d' });
    person.site.script.before = () => {};
    expect(await person.run(['policy', 'set', 'gold', '--retention', '24h', '--if-version', '4', '--yes'])).toMatchObject({ status: 8 });
    expect(await person.run(['policy', 'set', 'gold', '--retention', 'all 2h, 1w 7y', '--if-version', '5', '--yes'])).toMatchObject({
      status: 0,
    });
    expect(person.site.script.policies[0]).toMatchObject({ retention: 'all 2h, 1w 7y' });
  });

  it.each([
    [['set', 'gold'], /nothing is to be changed/],
    [['set', 'gold', '--point-interval', '5'], /it is no duration/],
    [['set', 'gold', '--point-interval', '1500ms'], /it is no duration of whole seconds/],
    [['set', 'gold', '--retention', '3y'], /24h, 72h, 15d/],
    [['set', 'gold', '--retention', '1d 3d, 1h 9d'], /"1h 9d" is not coarser/],
    [['set', 'gold', '--hold', 'maybe'], /never, throttle, freeze/],
    [['set', 'gold', '--hold-limit', 'soon'], /it is no duration/],
    [['create', 'x', '--compression', 'rar'], /lz4, zstd, raw/],
    [['set', 'gold', '--if-version', '0', '--name', 'x'], /it is no count/],
  ])('%j is refused, and nothing is sent', async (args, told) => {
    expect(await person.run(['policy', ...args])).toMatchObject({ status: 2, stderr: expect.stringMatching(told) });
    expect(person.site.calls).toEqual([]);
  });

  it('delete deletes', async () => {
    expect(await person.json(['policy', 'delete', 'silver'])).toEqual({ id: SAMPLE.silver, name: 'silver', deleted: true });
    expect(person.site.script.policies.map(({ name }) => name)).toEqual(['gold']);
  });
});

describe('server', () => {
  it('list and show tell what it carries', async () => {
    expect((await person.run(['server', 'list'])).stdout).toMatch(
      /ps1 +950100000000 +process-server +healthy +connected +1 +25 % of 4\.0 GiB +office +ps1\.example\.com:9443/,
    );
    const { stdout } = await person.run(['server', 'show', 'ps1']);
    expect(stdout).toContain("25 % of a processor, 300 MiB of memory; 25 % of the machine's 16.0 GiB are used");
    expect(stdout).toContain(
      '3.0 MiB in the journal, 1.0 MiB of it on the way into stores; the oldest waits for 2 min 10 s: [STORE_UNAVAILABLE] the store is away',
    );
    expect(await person.json(['server', 'list'])).toMatchObject([{ name: 'ps1', journalQuota: 4 * 2 ** 30, vaults: ['office'] }]);
  });

  it('revoke shuts out servers and machines', async () => {
    const revoke = async (name: string): Promise<unknown> =>
      JSON.parse((await person.run(['server', 'revoke', name, '--yes', '--output', 'json'])).stdout);
    expect(await revoke('ps1')).toEqual({ id: SAMPLE.ps1, name: 'ps1', revoked: true });
    expect(await revoke('db1')).toMatchObject({ id: SAMPLE.db1 });
    expect(await person.run(['server', 'revoke', 'ps3'])).toMatchObject({ status: 4 });
  });
});

describe('token', () => {
  it('create prints nothing but the lines to paste', async () => {
    const { status, stdout, stderr } = await person.run(['token', 'create', '--role', 'agent', '--lifetime', '15min']);
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'curl -fsSkO …\necho SECRET | sudo holdfast-agent join\n' });
    expect(stderr).toContain('Paste these lines');
    const { createdUnixMillis, expiresUnixMillis } = person.site.script.tokens.at(-1)!;
    expect(Math.round(Number(expiresUnixMillis! - createdUnixMillis!) / 1000)).toBe(900);
    expect(await person.json(['token', 'create', '--role', 'process-server', '--note', 'ps2'])).toMatchObject({
      role: 'process-server',
      note: 'ps2',
      secret: 'SECRET',
      used: false,
      joinCommand: expect.stringContaining('join'),
    });
  });

  it('list tells which are still good, and no secret', async () => {
    const { stdout } = await person.run(['token', 'list']);
    expect(stdout).toMatch(/70c100000000 +agent +good for 50 min 0 s +10 min 0 s ago +rack 7\n/);
    expect(stdout).toMatch(/70c2\S+ +agent +used/);
    expect(stdout).toMatch(/70c3\S+ +process-server +expired/);
  });

  it('revoke takes the beginning of an id', async () => {
    expect(await person.json(['token', 'revoke', '70c1'])).toMatchObject({ id: '70c1'.padEnd(32, '0') });
    expect(await person.run(['token', 'revoke', '70'])).toMatchObject({ status: 2, stderr: expect.stringContaining('3 tokens are meant') });
  });

  it('create refuses other roles', async () => {
    expect(await person.run(['token', 'create', '--role', 'master-target'])).toMatchObject({ status: 2 });
  });
});
