import { AlertService, CheckResult, idText, MachineService, ProtectionService, VaultState } from '@holdfast/protocol';
import { connectAgent, connectServer, diskReport, type ServerStream } from '../conformance/test-member.ts';
import { endTestServers, enrolMember, errorOf, startTestServer, type TestMember, type TestServer } from '../conformance/test-server.ts';

const { PASSED, FAILED, WARNING, UNKNOWN } = CheckResult;
const NOW = (): bigint => BigInt(Date.now());
const found = (code: string, result: CheckResult, thing = 'x', text = 'why') => ({ code, thing, result, text, remedy: 'mend it' });

afterAll(endTestServers);

/** Members that look around when they are asked, and find what the spec says. */
const openSite = async (settings: Record<string, string> = {}) => {
  const server = await startTestServer({ 'checks.patience': '1s', ...settings });
  const [machine, gateway] = [await enrolMember(server, 'agent', 'web1'), await enrolMember(server, 'process-server', 'gw')];
  return { server, machine, gateway };
};

type AgentStream = ReturnType<typeof connectAgent>;
interface Told {
  readonly findings?: ReturnType<typeof found>[];
  readonly unixMillis?: () => bigint;
}

const isRequest = (state: { readonly checkRequest?: { readonly id: Uint8Array } | undefined }, done: Set<string>): boolean =>
  state.checkRequest !== undefined && !done.has(idText(state.checkRequest.id));

/** Who asks without rest is told to call less often. */
const aMoment = () => new Promise((resolve) => setTimeout(resolve, 10));

/** Answers each request, until the stream ends. */
const answering = async (
  stream: AgentStream | ServerStream,
  report: object,
  { findings = [], unixMillis = NOW }: Told,
  asked: string[][] = [],
) => {
  const done = new Set<string>();
  const say = (more: object = {}): void => stream.report({ ...report, unixMillis: unixMillis(), ...more } as never);
  say();
  for (;;) {
    const state = await (stream as AgentStream).until((one) => isRequest(one, done)).catch(() => undefined);
    if (state === undefined) return;
    const { id, processServers } = state.checkRequest!;
    done.add(idText(id));
    asked.push([...processServers]);
    say({ checks: { requestId: id, unixMillis: NOW(), findings } });
  }
};

const opened = async (
  server: TestServer,
  machine: TestMember,
  gateway: TestMember,
  ofAgent: Told = {},
  ofServer: Told = {},
  fabrics: Parameters<typeof connectServer>[2] = {},
) => {
  const agent = connectAgent(server, machine, 'web1');
  const receiver = connectServer(server, gateway, fabrics);
  await Promise.all([agent.until(() => true), receiver.until(() => true)]);
  const asked: string[][] = [];
  const work = [answering(agent, diskReport(0n), ofAgent, asked), answering(receiver, { revision: 0n }, ofServer)];
  const machines = server.api(MachineService);
  const reported = async (): Promise<boolean> => ((await machines.getMachine({ machine: 'web1' })).machine?.report?.unixMillis ?? 0n) > 0n;
  while (!(await reported())) await aMoment();
  return {
    asked,
    bridges: () => receiver.states.flatMap(({ checkRequest }) => (checkRequest === undefined ? [] : [checkRequest.bridges])),
    machines,
    end: async () => {
      await Promise.all([agent.close(), receiver.close()]);
      await Promise.all(work);
    },
  };
};

describe('checks before a protection', () => {
  it('ask the machine, with the addresses of process servers, and the process server; all is told, the gravest first', async () => {
    const { server, machine, gateway } = await openSite();
    const told = [
      found('kernel-tracing', PASSED),
      found('log-space', WARNING),
      found('disk-kind', FAILED, '/dev/sdz'),
      found('made-up', FAILED),
    ];
    const site = await opened(
      server,
      machine,
      gateway,
      { findings: told },
      { findings: [found('vault-rights', FAILED, 'elsewhere'), found('vault-key', PASSED, 'office')] },
    );
    const { findings, passed, unixMillis } = await site.machines.checkMachine({ machine: 'web1', wanted: {} });
    expect(site.asked).toEqual([['127.0.0.1:9443']]);
    expect(passed).toBe(false);
    expect(unixMillis).toBeGreaterThan(0n);
    // One of another vault does not matter here, and a code that nobody knows is none.
    expect(findings.filter(({ result }) => result !== PASSED)).toMatchObject([
      { code: 'disk-kind', thing: '/dev/sdz', result: FAILED },
      { code: 'target-fabric', result: WARNING },
      { code: 'log-space', result: WARNING },
    ]);
    expect(findings.filter(({ result }) => result === PASSED).map(({ code }) => code)).toEqual(
      expect.arrayContaining([
        'machine-connected',
        'machine-answers',
        'machine-version',
        'machine-clock',
        'server-answers',
        'vault-key',
        'disk-sectors',
      ]),
    );
    const refusal = await server.api(ProtectionService).protect({ machine: 'web1' }).catch(errorOf);
    expect(refusal).toMatchObject({ code: 'PREREQUISITES_MISSING', why: 'disk-kind (/dev/sdz): why' });
    // What was found before is told again without asking anybody.
    const before = site.asked.length;
    expect(await site.machines.checkMachine({ machine: 'web1', wanted: {}, last: true })).toMatchObject({ passed: false });
    expect(site.asked).toHaveLength(before);
    await site.end();
  });

  it('let a protection begin with warnings, and tell them', async () => {
    const { server, machine, gateway } = await openSite();
    const behind = { unixMillis: () => NOW() - 60_000n };
    const site = await opened(server, machine, gateway, behind);
    const { warnings } = await server.api(ProtectionService).protect({ machine: 'web1' });
    expect(warnings.map(({ code }) => code).toSorted()).toEqual(['machine-clock', 'target-fabric']);
    await site.end();
  });

  it('ask the process server that would run the machine for the bridges of its target, and refuse one that is not there', async () => {
    const { server, machine, gateway } = await openSite();
    const findings = [found('target-bridge', FAILED, 'br7', 'no such bridge'), found('target-bridge', FAILED, 'br9')];
    const qemu = { fabrics: [{ name: 'qemu', ready: true, detail: 'QEMU 7.2' }] };
    const site = await opened(server, machine, gateway, {}, { findings }, qemu);
    const told = async (target: object) =>
      (await site.machines.checkMachine({ machine: 'web1', wanted: { target } })).findings.filter(({ code }) => code === 'target-bridge');
    expect(await told({ network: 'bridge:br7', testNetwork: 'br8' })).toMatchObject([
      { thing: 'br7', result: FAILED, text: 'gw: no such bridge; a failover uses it', remedy: 'mend it' },
      { thing: 'br8', result: UNKNOWN, text: 'gw did not tell whether a test could use it' },
    ]);
    expect(site.bridges().at(-1)).toEqual(['br7', 'br8']);
    // What others asked for says nothing of a machine that is plugged in nowhere.
    expect(await told({ network: 'none' })).toEqual([]);
    const refusal = await server
      .api(ProtectionService)
      .protect({ machine: 'web1', target: { network: 'br7' } })
      .catch(errorOf);
    expect(refusal).toMatchObject({ code: 'PREREQUISITES_MISSING', why: 'target-bridge (br7): gw: no such bridge; a failover uses it' });
    await site.end();
  });

  it('say why a process server that has the vault in its settings does not hold it', async () => {
    const { server, machine, gateway } = await openSite();
    const lost = { name: 'lost', state: VaultState.KEY, problemCode: 'VAULT_KEY_WRONG', problem: '[VAULT_KEY_WRONG] lost: no slot opens' };
    const hello = { vaults: ['lost'], vaultsById: true, vaultReports: [lost] };
    const site = await opened(server, machine, gateway, {}, {}, hello);
    const told = async (vault: string) =>
      (await site.machines.checkMachine({ machine: 'web1', wanted: { vault } })).findings.filter(({ result }) => result === FAILED);
    expect(await told('lost')).toMatchObject([{ code: 'vault-key', thing: 'lost', text: 'gw: [VAULT_KEY_WRONG] lost: no slot opens' }]);
    expect(await told('other')).toMatchObject([{ code: 'server-connected', thing: 'other' }]);
    await site.end();
  });

  it('take one address that is reached for enough, and none for a failure', async () => {
    const { server, machine, gateway } = await openSite();
    const unreached = found('server-reachable', FAILED, 'a:1');
    const site = await opened(server, machine, gateway, { findings: [unreached, found('server-reachable', PASSED, 'b:1')] });
    expect((await site.machines.checkMachine({ machine: 'web1', wanted: {} })).passed).toBe(true);
    await site.end();
    const again = await opened(server, machine, gateway, { findings: [unreached] });
    expect((await again.machines.checkMachine({ machine: 'web1', wanted: {} })).passed).toBe(false);
    await again.end();
  });

  it('wait no longer than they may for somebody who says nothing, and ask nobody who cannot look', async () => {
    const { server, machine, gateway } = await openSite();
    const agent = connectAgent(server, machine, 'web1');
    const receiver = connectServer(server, gateway);
    await Promise.all([agent.until(() => true), receiver.until(() => true)]);
    agent.report({ ...diskReport(0n), unixMillis: NOW() });
    const machines = server.api(MachineService);
    const reported = async () => ((await machines.getMachine({ machine: 'web1' })).machine?.report?.unixMillis ?? 0n) > 0n;
    while (!(await reported())) await aMoment();
    const { findings } = await machines.checkMachine({ machine: 'web1', wanted: {} });
    const resultOf = (code: string) => findings.find((one) => one.code === code)?.result;
    expect([resultOf('machine-answers'), resultOf('server-answers')]).toEqual([FAILED, UNKNOWN]);
    await Promise.all([agent.close(), receiver.close()]);
  });

  it('say of a machine that is away that it is, with everything else that is missing', async () => {
    const { server } = await openSite();
    const { findings } = await server.api(MachineService).checkMachine({ machine: 'web1', wanted: { target: { fabric: 'azure' } } });
    expect(findings.filter(({ result }) => result === FAILED).map(({ code }) => code)).toEqual([
      'machine-connected',
      'disks-there',
      'vault-named',
      'target-network',
    ]);
  });
});

describe('checks of protected machines', () => {
  it('go on by themselves, and are an alert where something is missing', async () => {
    const { server, machine, gateway } = await openSite({ 'alerts.interval': '100ms' });
    const findings: ReturnType<typeof found>[] = [];
    const site = await opened(server, machine, gateway, { findings });
    await server.api(ProtectionService).protect({ machine: 'web1' });
    findings.push(found('application-scripts', FAILED));
    expect((await site.machines.checkMachine({ machine: 'web1' })).passed).toBe(false);
    const isTold = async (): Promise<boolean> =>
      (await server.api(AlertService).listAlerts({})).alerts.some(({ code }) => code === 'prerequisites-missing');
    while (!(await isTold())) await aMoment();
    expect(await isTold()).toBe(true);
    await site.end();
  });
});
