import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AgentStream,
  connectAgent,
  connectServer,
  enrolMember,
  type ServerStream,
  type TestClient,
  type TestMember,
} from '@holdfast/configuration-server/conformance';
import { DiskPhase, idBytes, newId, Role, TokenService } from '@holdfast/protocol';

/** Members of a configuration server that report as programs do, without the programs. */
export interface ControlFleet {
  /** All are connected and report. */
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  readonly machineIds: readonly string[];
}

const DISKS = 3;
const GIB = 1024n ** 3n;
/** Milliseconds between reports: of an agent here, and of a process server. */
const AGENT_REPORT = 10_000;
const SERVER_REPORT = 3000;
const AT_ONCE = 8;

const nameOf = (index: number): string => `m${String(index).padStart(4, '0')}`;
const diskIds = Array.from({ length: DISKS }, () => idBytes(newId()));

/** Does something for each of them, a few at a time. */
export const eachOf = async <T>(all: readonly T[], work: (one: T, index: number) => Promise<void>, atOnce = AT_ONCE): Promise<void> => {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < all.length; index = next++) await work(all[index]!, index);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
};

/** Enrols machines, each over a connection of its own, by tokens that were made before. Gives the seconds it took. */
export const enrolMachines = async (
  client: TestClient,
  from: number,
  count: number,
): Promise<{ readonly members: TestMember[]; readonly seconds: number }> => {
  const tokens = client.api(TokenService);
  const secrets: string[] = [];
  for (let index = 0; index < count; index += 1) secrets.push((await tokens.createToken({ role: Role.AGENT })).secret);
  const members: TestMember[] = [];
  const began = performance.now();
  await eachOf(secrets, async (token, index) => {
    members[index] = await enrolMember(client, 'agent', nameOf(from + index), { token });
  });
  return { members, seconds: (performance.now() - began) / 1000 };
};

const manifest = (machineId: string, name: string) => ({
  id: idBytes(newId()),
  machineId: idBytes(machineId),
  machineName: name,
  disks: diskIds.map((id, index) => ({
    id,
    name: `sd${'abc'[index]}`,
    size: 100n * GIB,
    logicalSectorSize: 512,
    physicalSectorSize: 4096,
  })),
});

const agentReport = (stream: AgentStream) => ({
  revision: stream.states.at(-1)?.revision ?? 0n,
  disks: diskIds.map((diskId) => ({ diskId, phase: DiskPhase.REPLICATING, size: 100n * GIB, copiedBytes: 100n * GIB })),
  newestPointUnixMillis: BigInt(Date.now() - 2000),
  rpoSeconds: 2 + Math.random(),
  pendingBytes: BigInt(Math.floor(Math.random() * 1e6)),
  changedBytesPerSecond: BigInt(Math.floor(Math.random() * 1e6)),
  sentBytesPerSecond: BigInt(Math.floor(Math.random() * 1e6)),
  points: 1000n,
  unixMillis: BigInt(Date.now()),
  // Who is asked to look around answers at once, as agents do.
  ...answerTo(stream),
});

const answerTo = (stream: Pick<AgentStream, 'states'>) => {
  const request = stream.states.at(-1)?.checkRequest;
  return request === undefined ? {} : { checks: { requestId: request.id, unixMillis: BigInt(Date.now()), findings: [] } };
};

/** Reports at once when something new is wanted, as programs do. */
const follow = async (stream: AgentStream | ServerStream, tell: () => void): Promise<void> => {
  let seen = 0n;
  for (;;) {
    const state = await (stream as AgentStream).until(({ revision }) => revision > seen).catch(() => undefined);
    if (state === undefined) return;
    seen = stream.states.at(-1)!.revision;
    tell();
  }
};

/** Machines and one process server that receives them all. */
export const createControlFleet = (client: TestClient, machines: readonly TestMember[], gateway: TestMember): ControlFleet => {
  let streams: AgentStream[] = [];
  let receiver: ServerStream | undefined;
  let timers: NodeJS.Timeout[] = [];
  let serial = 0n;

  const serverReport = (stream: ServerStream): void => {
    const { states } = stream;
    const request = states.at(-1)?.checkRequest;
    serial += 1n;
    stream.report({
      revision: states.at(-1)?.revision ?? 0n,
      machines: machines.map(({ id }) => ({
        machineId: idBytes(id),
        term: 1n,
        durableSequence: serial,
        pendingBytes: 0n,
        newestPointUnixMillis: BigInt(Date.now()),
      })),
      journalQuotaBytes: 8n * GIB,
      cpuShare: 0.2,
      processors: 2,
      unixMillis: BigInt(Date.now()),
      ...(request === undefined ? {} : { checks: { requestId: request.id, unixMillis: BigInt(Date.now()), findings: [] } }),
    });
  };

  return {
    machineIds: machines.map(({ id }) => id),
    async connect() {
      const server = connectServer(client, gateway);
      receiver = server;
      await server.until(() => true);
      await eachOf(machines, async (member, index) => {
        const stream = connectAgent(client, member, nameOf(index), { manifest: manifest(member.id, nameOf(index)) });
        await stream.until(() => true);
        streams[index] = stream;
      });
      void follow(server, () => serverReport(server));
      timers.push(setInterval(() => serverReport(server), SERVER_REPORT));
      for (const [index, stream] of streams.entries()) {
        const tell = (): void => stream.report(agentReport(stream));
        // Spread over the interval, as machines that were started by people are.
        timers.push(setTimeout(() => timers.push(setInterval(tell, AGENT_REPORT)), (index * AGENT_REPORT) / machines.length));
        void follow(stream, tell);
      }
      await sleep(1000);
    },
    async disconnect() {
      for (const timer of timers) clearInterval(timer);
      timers = [];
      await Promise.all([...streams.map((stream) => stream.close()), receiver?.close()]);
      streams = [];
      receiver = undefined;
    },
  };
};
