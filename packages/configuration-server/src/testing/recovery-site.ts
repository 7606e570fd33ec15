import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  type CheckReportSchema,
  type ConnectServerResponse,
  DiskPhase,
  idBytes,
  idText,
  type Job,
  JobService,
  missed,
  PointKind,
  type ProofReportSchema,
  ProtectionService,
  ProtectionState,
  passed,
  type RecoveryAnswerSchema,
  type RecoveryGoal,
  type RecoveryReportSchema,
  RecoveryService,
  RecoveryStage,
  ServerService,
  type WantedProof,
  type WantedRecovery,
} from '@holdfast/protocol';
import { type AgentStream, connectAgent, connectServer, diskReport, type ServerStream } from '../conformance/test-member.ts';
import { enrolMember, startTestServer, type TestMember, type TestServer } from '../conformance/test-server.ts';

/** Points that the scripted process server knows, oldest first. */
export const POINTS = ['a', 'b', 'c'].map((letter, index) => ({
  id: letter.repeat(32),
  unixMillis: BigInt(Date.UTC(2026, 10, 22, 10 + index)),
  kind: index === 1 ? PointKind.APPLICATION : PointKind.CRASH,
  disks: ['sda'],
}));

/** A configuration server with a protected machine and a process server that does what it is told, or what a spec says. */
export interface RecoverySite {
  readonly server: TestServer;
  readonly machine: TestMember;
  readonly receiver: TestMember;
  readonly agent: AgentStream;
  /** What the process server was told, the first that fits. */
  told(fits: (state: ConnectServerResponse) => boolean): Promise<ConnectServerResponse>;
  /** What the process server is told now. */
  wanted(): readonly WantedRecovery[];
  /** Every goal it was told of, in order, without repetitions. */
  readonly goals: readonly RecoveryGoal[];
  /** From now on goals are not reached, or fail; undefined: they are reached. */
  hold(goal: RecoveryGoal, how?: 'wait' | { readonly code: string }): void;
  letGo(): void;
  /** From now on machines cannot be switched on again. */
  failStarts(problem: string): void;
  /** What comes of proofs from now on; undefined: they are at work. */
  prove(outcome: 'passed' | 'failed' | { readonly code: string } | undefined): void;
  /** The process server connects anew, after a restart of the configuration server too; `unready`: why it can start no machines. */
  reconnect(server: TestServer, unready?: string): Promise<void>;
  /** The process server goes away. */
  disconnect(): Promise<void>;
  report(revision?: bigint): void;
  /** From now on the process server looks around when it is asked, and its host has these bridges. */
  haveBridges(...names: string[]): Promise<void>;
  /** A machine has no points of these letters. */
  lack(machineId: string, letters: string): void;
}

type Report = MessageInitShape<typeof RecoveryReportSchema>;

/** What a process server with these points answers. */
export const answers = (
  { questions }: ConnectServerResponse,
  lacking: ReadonlyMap<string, string> = new Map(),
): MessageInitShape<typeof RecoveryAnswerSchema>[] =>
  questions.map(({ id, machineId, question }) => {
    const lacks = lacking.get(idText(machineId)) ?? '';
    const total = BigInt(POINTS.length);
    if (question.case === 'points') {
      const { limit, afterPointId } = question.value;
      const all = POINTS.toReversed();
      const from = afterPointId.length === 0 ? 0 : all.findIndex((point) => point.id === idText(afterPointId)) + 1;
      return { id, points: all.slice(from, from + limit), more: from + limit < all.length, total };
    }
    const choice = question.case === 'choose' ? question.value.choice : undefined;
    const meant = POINTS.findLast((point) => {
      if (lacks.includes(point.id[0]!)) return false;
      if (choice?.case === 'newest') return point.kind >= choice.value;
      if (choice?.case === 'idPrefix') return point.id.startsWith(choice.value);
      return choice?.case === 'atUnixMillis' && point.unixMillis <= choice.value;
    });
    if (meant === undefined) return { id, problemCode: 'POINT_NOT_FOUND', problem: 'it was thinned', remedy: 'choose another' };
    return { id, points: [meant], total };
  });

export const openRecoverySite = async (
  settings: Readonly<Record<string, string>> = {},
  [first = 'web1', ...others]: readonly string[] = ['web1'],
): Promise<RecoverySite> => {
  const server = await startTestServer(settings);
  const receiver = await enrolMember(server, 'process-server', 'gw1', { endpoints: ['127.0.0.1:9443'] });
  const machine = await enrolMember(server, 'agent', first);
  let stream: ServerStream;
  let newest: ConnectServerResponse | undefined;
  const goals: RecoveryGoal[] = [];
  let startProblem = '';
  let held: { readonly goal: RecoveryGoal; readonly how: 'wait' | { readonly code: string } } | undefined;

  const lacking = new Map<string, string>();

  const reportOf = ({ id, runId, goal, startRequest }: WantedRecovery): Report => {
    if (goals.at(-1) !== goal) goals.push(goal);
    if (held?.goal !== goal)
      return { id, runId, goal, stage: RecoveryStage.REACHED, detail: 'done', fraction: 1, startRequest, startProblem };
    if (held.how === 'wait') return { id, runId, goal, stage: RecoveryStage.WORKING, detail: 'it is at it', fraction: 0.5 };
    return { id, runId, goal, stage: RecoveryStage.FAILED, problemCode: held.how.code, problem: 'it does not work', remedy: 'mend it' };
  };
  let proving: Parameters<RecoverySite['prove']>[0] = 'passed';
  let proven = 0n;
  const made = new Map<string, MessageInitShape<typeof ProofReportSchema>>();
  const proofOf = ({ id, pointId: point, pointUnixMillis }: WantedProof): MessageInitShape<typeof ProofReportSchema> => {
    const before = made.get(idText(id));
    if (before !== undefined) return before;
    if (proving === undefined) return { id, stage: RecoveryStage.WORKING, detail: 'it starts' };
    if (typeof proving === 'object')
      return { id, stage: RecoveryStage.FAILED, problemCode: proving.code, problem: 'it does not work', remedy: 'mend it' };
    const passed = proving === 'passed';
    proven += 1n;
    const steps = [{ name: 'console', passed, detail: passed ? 'login:' : 'waited in vain', seconds: 1 }];
    const proof = {
      number: proven,
      pointId: idText(point),
      pointUnixMillis,
      provenUnixMillis: BigInt(Date.now()),
      passed,
      signer: 'ab'.repeat(32),
      steps,
    };
    made.set(idText(id), { id, stage: RecoveryStage.REACHED, proof });
    return made.get(idText(id))!;
  };
  let bridges: readonly string[] | undefined;
  const looked = ({
    checkRequest,
  }: ConnectServerResponse): { unixMillis?: bigint; checks?: MessageInitShape<typeof CheckReportSchema> } => {
    const unixMillis = BigInt(Date.now());
    if (bridges === undefined) return {};
    if (checkRequest === undefined) return { unixMillis };
    const findings = checkRequest.bridges.map((name) =>
      bridges?.includes(name) === true
        ? passed('target-bridge', name, 'machines can be plugged into it')
        : missed('target-bridge', name, `network ${name}: the host has no bridge ${name}`, 'make it, or name another'),
    );
    return { unixMillis, checks: { requestId: checkRequest.id, unixMillis, findings } };
  };
  const report = (): void => {
    if (newest === undefined) return;
    const releases = newest.releases.map(({ operationId }) => ({ operationId, released: true }));
    stream.report({
      ...looked(newest),
      revision: newest.revision,
      recoveries: newest.recoveries.map(reportOf),
      answers: answers(newest, lacking),
      releases,
      proofs: newest.proofs.map(proofOf),
    });
  };
  const connect = async (to: TestServer, unready?: string): Promise<ServerStream> => {
    stream = connectServer(to, receiver, { fabrics: [{ name: 'qemu', ready: unready === undefined, detail: unready ?? 'QEMU 7.2' }] });
    const own = stream;
    void (async () => {
      let seen = 0;
      for (;;) {
        await own.until((_) => own.states.length > seen).catch(() => undefined);
        if (own.states.length === seen) return;
        seen = own.states.length;
        newest = own.states.at(-1);
        report();
      }
    })();
    await own.until(() => true);
    return own;
  };
  await connect(server);

  const protect = async (member: TestMember, name: string): Promise<AgentStream> => {
    const agent = connectAgent(server, member, name);
    await agent.until(() => true);
    await server.api(ProtectionService).protect({ machine: name });
    const { revision } = await agent.until((state) => state.protection !== undefined);
    agent.report(diskReport(revision, DiskPhase.REPLICATING));
    return agent;
  };
  const agent = await protect(machine, first);
  for (const name of others) await protect(await enrolMember(server, 'agent', name), name);
  return {
    server,
    machine,
    receiver,
    agent,
    goals,
    told: (fits) => stream.until(fits),
    wanted: () => newest?.recoveries ?? [],
    hold(goal, how = 'wait') {
      held = { goal, how };
    },
    letGo() {
      held = undefined;
      report();
    },
    failStarts(problem) {
      startProblem = problem;
    },
    prove(outcome) {
      proving = outcome;
      report();
    },
    report,
    async haveBridges(...names) {
      bridges = names;
      report();
      await until('the process server says that it looks', async () => {
        const { servers } = await server.api(ServerService).listServers({});
        return servers.every((one) => (one.report?.unixMillis ?? 0n) > 0n);
      });
    },
    lack: (machineId, letters) => void lacking.set(machineId, letters),
    reconnect: async (to, unready) => void (await connect(to, unready)),
    disconnect: () => stream.close(),
  };
};

/** The same, once its one machine is protected and all that led there has ended. */
export const openProtectedSite = async (): Promise<RecoverySite> => {
  const site = await openRecoverySite();
  await until('the machine is protected', async () => (await stateOf(site.server)) === ProtectionState.PROTECTED);
  const { jobs } = await site.server.api(JobService).listJobs({});
  for (const job of jobs) await ended(site.server, job);
  return site;
};

/** Of the protection of the one machine. */
export const stateOf = async (server: TestServer): Promise<ProtectionState> =>
  (await server.api(ProtectionService).listProtections({})).protections[0]!.state;

export const recoveriesOf = async (server: TestServer, open = false) =>
  (await server.api(RecoveryService).listRecoveries({ open })).recoveries;
export const pointId = (letter: string): Uint8Array => idBytes(letter.repeat(32));

/** Waits for the end of a job. */
export const ended = async (server: TestServer, job: Job | undefined): Promise<Job> => {
  for await (const { job: now } of server.api(JobService).watchJob({ id: job!.id })) if (now!.endedUnixMillis > 0n) return now!;
  throw new Error('the watch ended before the job');
};

/** Waits for a condition by asking again and again, half a minute at most. */
export const until = async (what: string, look: () => boolean | Promise<boolean>): Promise<void> => {
  const end = Date.now() + 30_000;
  while (!(await look())) {
    if (Date.now() > end) throw new Error(`waited in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};
