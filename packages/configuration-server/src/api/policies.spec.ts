import { create } from '@bufbuild/protobuf';
import { BandwidthRuleSchema, type Policy, PolicyService, ProtectionService, TimeWindowSchema } from '@holdfast/protocol';
import { connectAgent, connectServer } from '../conformance/test-member.ts';
import { codeOf, endTestServers, enrolMember, startTestServer } from '../conformance/test-server.ts';

afterAll(endTestServers);

/** A machine and a process server that are connected. */
const openSite = async () => {
  const server = await startTestServer();
  const [machine, gateway] = [await enrolMember(server, 'agent', 'web1'), await enrolMember(server, 'process-server', 'gw')];
  const agent = connectAgent(server, machine, 'web1');
  const receiver = connectServer(server, gateway);
  await Promise.all([agent.until(() => true), receiver.until(() => true)]);
  const policies = server.api(PolicyService);
  const named = async (name: string): Promise<Policy | undefined> =>
    (await policies.listPolicies({})).policies.find((one) => one.name === name);
  return { server, agent, receiver, policies, named, protections: server.api(ProtectionService) };
};

describe('the policy for the way home', () => {
  it('is made with the first protection, once, and can be changed', async () => {
    const { policies, protections, named } = await openSite();
    expect(await named('default-failback')).toBeUndefined();
    const { protection } = await protections.protect({ machine: 'web1' });
    const [made, outward] = [(await named('default-failback'))!, (await named('default'))!];
    expect(made).toMatchObject({ rpoThresholdSeconds: 900, retention: '24h', applicationIntervalSeconds: 3600, failbackOf: outward.id });
    expect(protection).toMatchObject({ policyId: outward.id, failbackPolicyId: made.id });
    const { policy } = await policies.updatePolicy({ policy: { ...made, name: 'home', retention: '72h', failbackOf: '' } });
    expect(policy).toMatchObject({ name: 'home', retention: '72h' });
    await protections.updateProtection({ machine: 'web1', policy: 'default' });
    expect((await policies.listPolicies({})).policies.map(({ name, failbackOf }) => [name, failbackOf]).toSorted()).toEqual([
      ['default', ''],
      ['home', outward.id],
    ]);
  });

  it('is one, also when many machines are protected at one moment', async () => {
    const { server, policies, protections } = await openSite();
    const others = await Promise.all(
      ['web2', 'web3', 'web4', 'web5', 'web6'].map(async (name) => {
        const stream = connectAgent(server, await enrolMember(server, 'agent', name), name);
        await stream.until(() => true);
        return name;
      }),
    );
    await Promise.all(['web1', ...others].map((machine) => protections.protect({ machine })));
    expect((await policies.listPolicies({})).policies.map(({ name }) => name).toSorted()).toEqual(['default', 'default-failback']);
  });

  it('takes another name where its own is taken, follows a change of policy, and goes with the policy it belongs to', async () => {
    const { policies, protections, named } = await openSite();
    await policies.createPolicy({ policy: { name: 'gold-failback' } });
    const { policy: gold } = await policies.createPolicy({ policy: { name: 'gold' } });
    await protections.protect({ machine: 'web1' });
    const { protection } = await protections.updateProtection({ machine: 'web1', policy: 'gold' });
    const home = (await named('gold-failback-2'))!;
    expect(protection?.failbackPolicyId).toBe(home.id);
    expect(await codeOf(policies.deletePolicy({ policy: home.id, version: home.version }))).toBe('POLICY_IN_USE');
    expect(await codeOf(policies.deletePolicy({ policy: 'gold', version: gold!.version }))).toBe('POLICY_IN_USE');
    await protections.updateProtection({ machine: 'web1', policy: 'default' });
    await policies.deletePolicy({ policy: 'gold', version: gold!.version });
    expect(await named('gold-failback-2')).toBeUndefined();
    expect(await named('gold-failback')).toBeDefined();
  });

  it('is for no way out, and is made by nobody else', async () => {
    const { policies, protections, named } = await openSite();
    await protections.protect({ machine: 'web1' });
    const home = (await named('default-failback'))!;
    expect(await codeOf(protections.updateProtection({ machine: 'web1', policy: home.id }))).toBe('REQUEST_INVALID');
    expect(await codeOf(protections.protect({ machine: 'web1', policy: 'default-failback' }))).toBe('REQUEST_INVALID');
    expect(await codeOf(policies.createPolicy({ policy: { name: 'x', failbackOf: home.failbackOf } }))).toBe('REQUEST_INVALID');
  });
});

describe('a policy', () => {
  it('reaches process server and machine while it is followed, as it is changed', async () => {
    const { policies, protections, agent, receiver, named } = await openSite();
    await protections.protect({ machine: 'web1' });
    const nights = [{ weekdays: [1, 2], fromMinute: 1080, toMinute: 360 }].map((window) => create(TimeWindowSchema, window));
    const rules = [{ window: nights[0]!, bytesPerSecond: 0n }, { bytesPerSecond: 1_000_000n }].map((rule) =>
      create(BandwidthRuleSchema, rule),
    );
    await policies.updatePolicy({
      policy: { ...(await named('default'))!, sealIntervalSeconds: 30, resyncWindows: nights, bandwidth: rules },
    });
    const { assignments: assigned } = await receiver.until(({ assignments }) => assignments[0]?.sealIntervalMilliseconds === 30_000);
    expect(assigned[0]?.rpoThresholdSeconds).toBe(60);
    const { protection } = await agent.until((state) => (state.protection?.resyncWindows.length ?? 0) > 0);
    expect(protection?.resyncWindows).toMatchObject(nights);
    expect(protection?.bandwidth).toMatchObject(rules);
  });

  it('is refused by field', async () => {
    const { policies } = await openSite();
    const wrong = (policy: object): Promise<string> =>
      policies.createPolicy({ policy: { name: 'x', ...policy } }).then(
        () => 'taken',
        (reason: Error) => reason.message,
      );
    expect(await wrong({ sealIntervalSeconds: 301 })).toContain('seal_interval_seconds');
    expect(await wrong({ sealIntervalSeconds: 120, rpoThresholdSeconds: 60 })).toContain('seal_interval_seconds');
    for (const window of [{ weekdays: [8] }, { fromMinute: 1440 }, { toMinute: 1441 }, { weekdays: [1, 1] }])
      expect(await wrong({ resyncWindows: [window] })).toContain('resync_windows');
    expect(await wrong({ resyncWindows: Array(29).fill({ fromMinute: 0, toMinute: 60 }) })).toContain('resync_windows');
    for (const rule of [{ bytesPerSecond: 1000n }, { bytesPerSecond: 2n ** 60n }, { window: { weekdays: [9] } }])
      expect(await wrong({ bandwidth: [rule] })).toContain('bandwidth');
    expect(await wrong({ sealIntervalSeconds: 60, rpoThresholdSeconds: 60, resyncWindows: [{ fromMinute: 0, toMinute: 60 }] })).toBe(
      'taken',
    );
  });
});
