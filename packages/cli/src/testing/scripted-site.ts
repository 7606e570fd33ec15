// A configuration server of tests: real HTTPS, real Connect, and answers out of arrays that a test fills and changes.
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import type { ConnectRouter, Interceptor } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { HoldfastError } from '@holdfast/errors';
import {
  CheckResult,
  connectError,
  EventService,
  JobSchema,
  JobService,
  JobState,
  MachineService,
  newId,
  PolicySchema,
  PolicyService,
  ProtectionSchema,
  ProtectionService,
  ServerService,
  SUCCESSOR_PATH,
  serverTlsOptions,
  TokenSchema,
  TokenService,
} from '@holdfast/protocol';
import { createTestAuthority, type TestAuthority } from '@holdfast/protocol/conformance';
import { conflict, page, type Script, TOKEN } from './script.ts';
import { peopleRoutes } from './scripted-people.ts';
import { planRoutes } from './scripted-plans.ts';
import { recoveryRoutes } from './scripted-recoveries.ts';
import { vaultRoutes } from './scripted-vaults.ts';

/** Milliseconds between two looks of a watch at what it tells of. */
const LOOK = 5;

export interface ScriptedSite {
  readonly url: string;
  readonly authority: TestAuthority;
  readonly script: Script;
  /** `Service.Method` of each call, in order. */
  readonly calls: string[];
  /** Ends all connections, as a server does that is killed. */
  cut(): void;
  close(): Promise<void>;
  /** Listens again on the same port, with another authority when one is given. */
  reopen(authority?: TestAuthority): Promise<void>;
}

/** Opens one on a free port of 127.0.0.1. */
export const openScriptedSite = async (script: Script): Promise<ScriptedSite> => {
  const calls: string[] = [];
  /** Plain ones: a connection may be cut before it is a session. */
  const connections = new Set<Socket>();
  let authority = await createTestAuthority();
  let server = await listen(authority, script, calls, connections, 0);
  const { port } = server.address() as AddressInfo;
  const cut = (): void => {
    for (const connection of connections) connection.destroy();
  };
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      cut();
    });
  return {
    url: `https://127.0.0.1:${port}`,
    get authority() {
      return authority;
    },
    script,
    calls,
    cut,
    close,
    reopen: async (other = authority) => {
      authority = other;
      server = await listen(authority, script, calls, connections, port);
    },
  };
};

const listen = async (
  authority: TestAuthority,
  script: Script,
  calls: string[],
  connections: Set<Socket>,
  port: number,
): Promise<Http2SecureServer> => {
  const own = await authority.issue({ role: 'configuration-server', id: newId() });
  const tls = serverTlsOptions({ ...own, certificateChain: `${own.certificateChain}\n${authority.certificate}` });
  const adapter = connectNodeAdapter({
    routes: (router) => routes(router, script),
    interceptors: [named(script, calls)],
  });
  const server = createSecureServer({ ...tls, allowHTTP1: true }, (request, response) => {
    if (script.date !== undefined) response.setHeader('date', script.date);
    if (request.url === SUCCESSOR_PATH && script.successor !== undefined) {
      response.end(script.successor);
      return;
    }
    adapter(request, response);
  });
  server.on('connection', (socket: Socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return server;
};

/** Notes each call, asks for the token, and tells errors as our servers do. */
const named =
  (script: Script, calls: string[]): Interceptor =>
  (next) =>
  async (request) => {
    const method = `${request.service.name}.${request.method.name}`;
    calls.push(method);
    try {
      const isOpen = method === 'SessionService.SignIn';
      if (!isOpen && request.header.get('authorization') !== `Bearer ${TOKEN}`)
        throw new HoldfastError('SIGN_IN_NEEDED', { thing: 'call', why: 'its token is not known', remedy: '`holdfast login` again' });
      await script.before(method);
      return await next(request);
    } catch (reason) {
      throw connectError(reason);
    }
  };

const routes = (router: ConnectRouter, script: Script): void => {
  const startJob = (kind: string, machineId: string) => {
    const job = create(JobSchema, { id: newId(), kind, machineId, state: JobState.RUNNING, progress: 0, startedBy: 'anna', version: 1n });
    script.jobs.unshift(job);
    return job;
  };
  router.service(MachineService, {
    listMachines: (request) => {
      const { rows, nextPageToken } = page(script.machines, request);
      return { machines: rows, nextPageToken };
    },
    checkMachine: ({ machine, wanted, last }) => {
      const found = (code: string, thing: string, result: CheckResult, text: string, remedy = '') => ({
        code,
        thing,
        result,
        text,
        remedy,
      });
      const isWhole = script.protections.some(({ machineId }) => machineId === machine) || wanted?.vault === 'office';
      const findings = [
        ...(isWhole ? [] : [found('vault-named', wanted?.vault ?? '', CheckResult.FAILED, 'nobody holds it', 'name another')]),
        found('log-space', '/var', CheckResult.WARNING, 'it has room for 1 MiB', 'free space'),
        found('machine-connected', machine, CheckResult.PASSED, last ? 'it was connected' : 'it is connected'),
      ];
      return { findings, passed: isWhole, unixMillis: 1_000n };
    },
    renameMachine: ({ machine, name, version }) => {
      const at = script.machines.findIndex(({ id }) => id === machine);
      if (script.machines[at]?.version !== version) throw conflict(machine);
      script.machines[at] = { ...script.machines[at]!, name };
      return { machine: script.machines[at] };
    },
    removeMachine: ({ machine, version, force }) => {
      const at = script.machines.findIndex(({ id }) => id === machine);
      if (script.machines[at]?.version !== version) throw conflict(machine);
      if (script.machines[at]?.protectionId && !force)
        throw new HoldfastError('MACHINE_PROTECTED', { thing: machine, why: 'it is protected', remedy: 'end its protection first' });
      script.machines.splice(at, 1);
      return {};
    },
  });
  router.service(ProtectionService, {
    listProtections: (request) => {
      const { rows, nextPageToken } = page(script.protections, request);
      return { protections: rows, nextPageToken };
    },
    protect: (request) => {
      const protection = create(ProtectionSchema, {
        id: newId(),
        version: 1n,
        machineId: request.machine,
        policyId: request.policy,
        vault: request.vault,
        processServerId: request.processServer,
        excludedDiskIds: request.excludedDisks,
        ...(request.target !== undefined && { target: request.target }),
      });
      script.protections.push(protection);
      return { protection, job: startJob('protect', request.machine) };
    },
    makePoint: ({ machine, kind }) => {
      script.asked.push(kind);
      return { job: startJob('point', machine) };
    },
    updateProtection: ({ machine, policy, excludeDisks, includeDisks, copyPaused, target }) => {
      const at = script.protections.findIndex(({ machineId }) => machineId === machine);
      const { policyId, excludedDiskIds = [] } = script.protections[at]!;
      const excluded = [...excludedDiskIds.filter((id) => !includeDisks.includes(id)), ...excludeDisks];
      script.protections[at] = {
        ...script.protections[at]!,
        policyId: policy || policyId!,
        excludedDiskIds: excluded,
        ...(copyPaused !== undefined && { copyPaused }),
        ...(target !== undefined && { target }),
      };
      return {};
    },
    operate: ({ machine, operation }) => ({ job: startJob(operation, machine) }),
    move: ({ machine, processServer }) => ({ job: startJob(`move to ${processServer}`, machine) }),
    unprotect: ({ machine, version }) => {
      const found = script.protections.find(({ machineId }) => machineId === machine);
      if (found?.version !== version) throw conflict(machine);
      return { job: startJob('unprotect', machine) };
    },
  });
  router.service(PolicyService, {
    listPolicies: (request) => {
      const { rows, nextPageToken } = page(script.policies, request);
      return { policies: rows, nextPageToken };
    },
    createPolicy: ({ policy }) => {
      const made = create(PolicySchema, { ...policy!, id: newId(), version: 1n });
      script.policies.push(made);
      return { policy: made };
    },
    updatePolicy: ({ policy }) => {
      const at = script.policies.findIndex(({ id }) => id === policy?.id);
      if (policy === undefined || script.policies[at]?.version !== policy.version) throw conflict(`policy ${policy?.name}`);
      const changed = create(PolicySchema, { ...policy, version: policy.version + 1n });
      script.policies[at] = changed;
      return { policy: changed };
    },
    deletePolicy: ({ policy }) => {
      script.policies = script.policies.filter(({ id }) => id !== policy);
      return {};
    },
  });
  router.service(ServerService, {
    listServers: (request) => {
      const { rows, nextPageToken } = page(script.servers, request);
      return { servers: rows, nextPageToken };
    },
    revokeServer: () => ({}),
    drainServer: ({ server, end }) => {
      const at = script.servers.findIndex(({ id }) => id === server);
      script.servers[at] = { ...script.servers[at]!, draining: !end };
      return { server: script.servers[at] };
    },
    removeServer: ({ server, force }) => {
      if (!force) throw new HoldfastError('SERVER_IN_USE', { thing: server, why: 'it receives db1', remedy: 'drain it' });
      script.servers = script.servers.filter(({ id }) => id !== server);
      return {};
    },
  });
  router.service(TokenService, {
    createToken: ({ role, note, lifetimeSeconds }) => {
      const token = create(TokenSchema, {
        id: newId(),
        role,
        note,
        createdUnixMillis: BigInt(Date.now()),
        expiresUnixMillis: BigInt(Date.now() + (lifetimeSeconds || 3600) * 1000),
      });
      script.tokens.push(token);
      return {
        token,
        secret: 'SECRET',
        authorityFingerprint: 'ab'.repeat(32),
        joinCommand: 'curl -fsSkO …\necho SECRET | sudo holdfast-agent join',
      };
    },
    listTokens: (request) => {
      const { rows, nextPageToken } = page(script.tokens, request);
      return { tokens: rows, nextPageToken };
    },
    revokeToken: () => ({}),
  });
  peopleRoutes(router, script);
  recoveryRoutes(router, script, startJob);
  vaultRoutes(router, script);
  planRoutes(router, script, startJob);
  router.service(JobService, {
    listJobs: (request) => {
      const { rows, nextPageToken } = page(
        script.jobs.filter(
          ({ machineId, kind = '', state }) =>
            (request.machine === '' || request.machine === machineId) &&
            (request.kinds.length === 0 || request.kinds.includes(kind)) &&
            (request.states.length === 0 || request.states.includes(state!)),
        ),
        request,
      );
      return { jobs: rows, nextPageToken };
    },
    getJob: ({ id }) => ({ job: script.jobs.find((one) => one.id === id)! }),
    // Each look at a running job is told; `before` changes it.
    async *watchJob({ id }, { signal }) {
      for (; ; await wait(LOOK, undefined, { signal })) {
        await script.before('look');
        const job = script.jobs.find((one) => one.id === id)!;
        yield { job };
        if (job.state !== JobState.RUNNING) return;
      }
    },
    // The job ends later.
    cancelJob: ({ id }) => ({ job: script.jobs.find((one) => one.id === id)! }),
    retryJob: ({ id }) => {
      const at = script.jobs.findIndex((one) => one.id === id);
      script.jobs[at] = { ...script.jobs[at]!, state: JobState.SUCCEEDED, retryable: false, tries: 2 };
      return { job: script.jobs[at] };
    },
    answerJob: ({ id, question, choice, note }) => {
      const at = script.jobs.findIndex((one) => one.id === id);
      const { question: asked, version, kind, machineId } = create(JobSchema, script.jobs[at]!);
      if (asked === undefined || asked.id !== question) throw conflict(`job ${id}`);
      const answer = { choice, note, answeredBy: 'anna' };
      const steps = [{ name: 'by hand', state: JobState.SUCCEEDED, answer }];
      script.jobs[at] = create(JobSchema, { id, version, kind, machineId, state: JobState.SUCCEEDED, steps });
      return { job: script.jobs[at] };
    },
  });
  router.service(EventService, {
    listEvents: (request) => {
      const wanted = script.events
        .filter(
          ({ severity = 0, subject }) => severity >= request.minimumSeverity && (request.subject === '' || subject === request.subject),
        )
        .reverse();
      const { rows, nextPageToken } = page(wanted, request);
      return { events: rows, nextPageToken };
    },
    async *watchEvents({ afterRevision }, { signal }) {
      let at = afterRevision;
      for (; ; await wait(LOOK, undefined, { signal })) {
        await script.before('look');
        for (const event of script.events) {
          if (event.revision! <= at) continue;
          at = event.revision!;
          yield { event };
        }
      }
    },
  });
};
