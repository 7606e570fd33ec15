import { setTimeout as sleep } from 'node:timers/promises';
import type { ScriptedAgent } from '@holdfast/process-server/conformance';
import { ScriptedSource, startScriptedAgent } from '@holdfast/process-server/conformance';
import { connectReplication, type TlsCredentials } from '@holdfast/protocol';
import { median } from '../row.ts';
import { durableSince, type MadeCut } from './durable-since.ts';
import { BLOCK_BYTES, type FleetFigures, type FleetRequest, type FleetSettings } from './fleet-messages.ts';

/*
 * Many machines in one process, each with a connection, a certificate and cuts of its own: what a process server sees of so many agents. Told by its
 * parent which machines, then asked for figures.
 */

const random = (() => {
  let state = 1;
  return (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
})();

interface Member {
  readonly agent: ScriptedAgent;
  readonly made: MadeCut[];
}

const members: Member[] = [];
const stopping = new AbortController();
let rpo: number[] = [];
let cuts = 0;
let sentBytes = 0;

const live = async ({ machine, settings, phase }: { machine: Machine; settings: FleetSettings; phase: number }): Promise<void> => {
  const { machineId, credentials } = machine;
  const { address, serverId, changedBlocks, diskBlocks, intervalMs } = settings;
  const source = new ScriptedSource({ machineId, size: diskBlocks * BLOCK_BYTES, random });
  const agent = startScriptedAgent({
    machineId,
    connect: () =>
      connectReplication({ address, credentials: { current: () => credentials }, expect: { role: 'process-server', id: serverId } }),
    pause: 1000,
  });
  const member: Member = { agent, made: [] };
  members.push(member);
  await sleep(phase * intervalMs, undefined, { signal: stopping.signal });
  for (let due = performance.now(); ; due += intervalMs) {
    await sleep(Math.max(0, due - performance.now()), undefined, { signal: stopping.signal });
    source.scribble(changedBlocks);
    const at = performance.now();
    const { cutId, content, bytes } = await source.cut();
    member.made.push({ cutId, at, isEmpty: bytes === 0 });
    agent.add(content);
    cuts += 1;
    sentBytes += bytes;
  }
};

interface Machine {
  readonly machineId: string;
  readonly credentials: TlsCredentials;
}

/** Seconds since the instant up to which all of the machine is safe, as the design defines RPO; undefined before its first point. */
const rpoOf = ({ agent, made }: Member): number | undefined => {
  const since = durableSince(made, agent.held, agent.journaled);
  return since === undefined ? undefined : (performance.now() - since) / 1000;
};

const figures = (): FleetFigures => {
  const sorted = rpo.toSorted((a, b) => a - b);
  const taken: FleetFigures = {
    connected: members.filter(({ agent }) => agent.opened !== undefined).length,
    replicating: members.filter((member) => rpoOf(member) !== undefined).length,
    cuts,
    sentBytes,
    rpoMedian: sorted.length === 0 ? Number.NaN : median(sorted),
    rpo95: sorted[Math.ceil(0.95 * sorted.length) - 1] ?? Number.NaN,
    errors: members.flatMap(({ agent }) => agent.errors.map(({ message }) => message)).slice(0, 5),
    errorCount: members.reduce((sum, { agent }) => sum + agent.errors.length, 0),
  };
  rpo = [];
  cuts = 0;
  sentBytes = 0;
  return taken;
};

const start = async (settings: FleetSettings): Promise<void> => {
  for (const [index, machine] of settings.machines.entries()) {
    live({ machine, settings, phase: index / settings.machines.length }).catch((reason: unknown) => {
      if (!stopping.signal.aborted) throw reason;
    });
    await sleep(settings.rampMs);
  }
};

setInterval(() => {
  for (const member of members) {
    const seconds = rpoOf(member);
    if (seconds !== undefined) rpo.push(seconds);
  }
}, 1000).unref();

process.on('message', (request: FleetRequest) => {
  if (request.kind === 'start') void start(request.settings);
  else process.send!(figures());
});
process.once('disconnect', () => process.exit(0));
