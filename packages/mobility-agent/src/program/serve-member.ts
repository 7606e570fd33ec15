import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { endThreads } from '@holdfast/block';
import { createCheckAnswerer, holdAgentControl, type Membership, type ProgramContext } from '@holdfast/daemon';
import { connectReplication } from '@holdfast/protocol';
import type { HoldPlaces } from '../consistency/plan-hold.ts';
import type { DiskRegistry, RegisteredDisk } from '../disks/disk-registry.ts';
import { createReporter } from '../engine/agent-report.ts';
import { createEngine } from '../engine/create-engine.ts';
import type { Engine } from '../engine/engine.ts';
import { HOLD_WATCHDOG } from '../hold/watchdog-command.ts';
import { collectManifest } from '../manifest/collect.ts';
import type { ProcessorShare } from '../platform/processor-share.ts';
import { lookAround } from '../surroundings/look-around.ts';
import { findMemoryDirectory } from '../trace/memory-file.ts';
import { createAgentMetrics } from './agent-metrics.ts';
import { openDesiredState } from './desired-state.ts';
import { hearWhereabouts } from './hear-whereabouts.ts';
import { logMemory } from './log-memory.ts';
import { desiredStateFile, restedScriptsFile } from './places.ts';
import { openRestedScripts } from './rested-scripts.ts';
import type { AgentSchema } from './settings.ts';
import { createShutdown } from './shutdown.ts';
import { watchDisks } from './watch-disks.ts';

export interface MemberParts {
  readonly membership: Membership;
  readonly registry: DiskRegistry;
  findDisks(): Promise<RegisteredDisk[]>;
  readonly checkConflicts: boolean;
  readonly excludeOwnFiles: boolean;
  readonly processors: ProcessorShare | undefined;
}

/** What powers a machine off. */
const POWER_OFF = ['systemctl', 'poweroff'];
/** The journal of the machine and this program's own log are there. */
const SYSTEM_LOGS = '/var/log';

/** How writers of this machine are held still: by a process of this program, see main.ts. */
const holdPlaces = (
  { settings, stateDirectory }: ProgramContext<AgentSchema>,
  { membership, processors }: MemberParts,
): HoldPlaces | undefined => {
  const [, program] = process.argv;
  if (program === undefined || process.geteuid?.() !== 0) return undefined;
  const { consistency, hrl, trace } = settings;
  const machineId = membership.id;
  return {
    machineId,
    processors,
    watchdog: [process.execPath, ...process.execArgv, program, HOLD_WATCHDOG],
    scripts: consistency.directory,
    scriptLimit: consistency.scriptLimit,
    log: path.join(findMemoryDirectory(trace.memoryDirectory), `holdfast-${machineId}-hold`),
    kept: [
      { path: stateDirectory, what: 'the state of the agent' },
      ...(hrl.directory === undefined ? [] : [{ path: hrl.directory, what: 'the log of changes' }]),
      { path: consistency.directory, what: 'the scripts for applications' },
      { path: process.execPath, what: 'the program of the agent' },
      { path: program, what: 'the program of the agent' },
      { path: SYSTEM_LOGS, what: 'the log of the system' },
    ],
  };
};

const openEngine = (context: ProgramContext<AgentSchema>, parts: MemberParts): Engine => {
  const { membership, registry, findDisks, checkConflicts, excludeOwnFiles } = parts;
  const { settings, stateDirectory, version, log } = context;
  const hold = holdPlaces(context, parts);
  const { hrl, trace, points, copy, check, sender } = settings;
  return createEngine({
    machineId: membership.id,
    version,
    directory: stateDirectory,
    log: { ...hrl, memory: logMemory(hrl.memory) },
    trace: {
      bufferBytes: trace.buffer,
      memoryDirectory: trace.memoryDirectory,
      checkConflicts,
      excludeOwnFiles,
      scan: settings.disks.scan,
    },
    ...(hold === undefined ? {} : { hold }),
    interval: points.interval,
    waits: { first: sender.retryFirst, longest: sender.retryLongest, refused: sender.retryRefused },
    copy: { rate: copy.rate, yields: copy.yield },
    checkInterval: check.interval,
    registry,
    findDisks,
    async connect(address) {
      const stream = await connectReplication({ address, credentials: membership.credentials, expect: { role: 'process-server' } });
      return hearWhereabouts(stream, (content) => void membership.heed(content));
    },
    onEvent: ({ severity, code, text }) => (severity === 'warning' ? log.warn(text, { code }) : log.info(text, { code })),
  });
};

const watchHealth = ({ health }: ProgramContext<AgentSchema>, engine: Engine): void => {
  health.check('capture', () => {
    const { problem, disks } = engine.status;
    return problem?.text ?? disks.find((disk) => disk.problem !== undefined)?.problem?.text;
  });
  health.check('sending', () => {
    const { sender } = engine.status;
    if (sender === undefined || sender.state === 'connected') return undefined;
    return sender.problem?.message ?? 'there is no stream to a process server yet';
  });
};

/** Does the work of a machine that belongs to an installation, for the program's whole life. */
export const serveMember = async (context: ProgramContext<AgentSchema>, parts: MemberParts): Promise<void> => {
  const { settings, stateDirectory, version, log, health, metrics, onStop, run, status } = context;
  const { membership, findDisks } = parts;
  const desired = openDesiredState(desiredStateFile(stateDirectory));
  const engine = openEngine(context, parts);
  // Last: whoever still has work for them waits for it.
  onStop('threads', endThreads);
  onStop('engine', () => engine.stop());
  watchHealth(context, engine);
  const count = createAgentMetrics(metrics, engine);

  const rested = await openRestedScripts(restedScriptsFile(stateDirectory), settings.shutdown.directory, log);
  const last = await desired.load(membership.id);
  if (last !== undefined) engine.apply(last.revision, last.protection);

  const control = holdAgentControl({
    membership,
    version,
    log,
    health,
    hello: async () => ({
      hostname: os.hostname(),
      manifest: await collectManifest({ machineId: membership.id, disks: await findDisks() }),
    }),
    async onState(state) {
      checks.ask(state.checkRequest);
      // One that was restored does not know what was decided since: what it wanted before goes on.
      if (state.reconciling) return;
      await desired.save(membership.id, state);
      engine.apply(state.revision, state.protection);
      const { protection } = state;
      // Of a failover that was committed nothing is told any more; of one that was cancelled the machine is protected again.
      shutdown.ask(protection?.shutdownRequest, protection === undefined || protection.failedOverOperationId.length > 0);
    },
  });
  run('certificates', (stopping) => membership.keepRenewed(stopping));
  // Before anything is told of them, so that no change is missed.
  run('disks', (stopping) =>
    watchDisks(
      {
        findDisks,
        interval: settings.disks.look,
        onChange: (disks) => {
          log.info('The disks of this machine have changed', { disks: disks.map(({ path }) => path) });
          control.introduce();
        },
        onFailure: (error) => log.warn('The disks of this machine could not be looked at', { error }),
      },
      stopping,
    ),
  );
  run('control stream', (stopping) => control.run(stopping));
  const reportEngine = createReporter(engine);
  const report = () => ({
    ...reportEngine(),
    unixMillis: BigInt(Date.now()),
    ...(checks.answer === undefined ? {} : { checks: checks.answer }),
    ...(shutdown.answer === undefined ? {} : { shutdownAnswer: shutdown.answer }),
  });
  const { hrl, trace, consistency } = settings;
  const surroundings = {
    findDisks,
    log: { directory: hrl.directory ?? stateDirectory, quota: hrl.quota },
    memory: { directory: trace.memoryDirectory, bytes: trace.buffer + logMemory(hrl.memory) },
    scripts: consistency.directory,
    credentials: membership.credentials,
    isProtecting: () => engine.status.protecting,
  };
  const { powerOff } = settings.shutdown;
  const shutdown = createShutdown({
    engine,
    scripts: settings.shutdown.directory,
    scriptLimit: settings.shutdown.scriptLimit,
    powerOff: powerOff.length > 0 ? powerOff : POWER_OFF,
    rested,
    log,
    onAnswer: () => control.report(report()),
  });
  const checks = createCheckAnswerer({
    look: (request) => lookAround(surroundings, request),
    onAnswer: () => control.report(report()),
    log,
  });
  run('reports', async (stopping) => {
    while (!stopping.aborted) {
      count();
      control.report(report());
      status(describe(engine));
      await sleep(settings.report.interval, undefined, { signal: stopping }).catch(() => undefined);
    }
  });
};

const describe = ({ status }: Engine): string => {
  if (!status.protecting) return 'Nothing is protected';
  const protectedDisks = status.disks.filter(({ phase }) => phase > 1).length;
  const age = status.rpoSeconds === undefined ? 'no durable point yet' : `newest state ${Math.round(status.rpoSeconds)} s old`;
  return `${protectedDisks} disks, ${age}, ${status.pendingBytes} bytes pending`;
};
