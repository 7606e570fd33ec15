import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { AgentProtectionSchema, type Cut, idBytes, idText, newId } from '@holdfast/protocol';
import { openReplicationSite } from '@holdfast/protocol/conformance';
import { discoverDisks } from '../../disks/discover.ts';
import { openDiskRegistry, type RegisteredDisk } from '../../disks/disk-registry.ts';
import { localSystem } from '../../manifest/system-view.ts';
import { createReceiver } from '../../scan/testing/receiver.ts';
import { createModelServer, type ModelServer } from '../../sender/testing/model-server.ts';
import { until } from '../../sender/testing/until.ts';
import { createEngine } from '../create-engine.ts';
import type { Engine, EngineEvent } from '../engine.ts';
import type { EngineOptions } from '../engine-options.ts';
import { forgetTrace } from '../open-trace-capture.ts';

/** Where the kernel traces for a rig. */
export const RIG_TRACE = { bufferBytes: 8 << 20, memoryDirectory: '/dev/shm' };

/** An engine over disks of a test, a process server, and what a vault would make of what it gets. */
export interface EngineRig {
  readonly machineId: string;
  readonly directory: string;
  readonly engine: Engine;
  readonly server: ModelServer;
  readonly events: readonly EngineEvent[];
  /** The disks by their paths. */
  disk(path: string): RegisteredDisk;
  /** Wants these disks protected. */
  protect(paths: readonly string[], change?: MessageInitShape<typeof AgentProtectionSchema>): void;
  unprotect(): void;
  /** Resolves when a point that was cut after this call is in the vault, with the disks as it holds them, by path. */
  point(): Promise<Map<string, Buffer>>;
  /** The disks as the vault holds them after a cut of this id, by path. */
  stateOf(cutId: string): Promise<Map<string, Buffer>>;
  /** Stops the engine in order and starts another on the same state. */
  restart(change?: Partial<EngineOptions>): Promise<void>;
  close(): Promise<void>;
}

/** Every point tells of every disk that came before, and none with a state is said to be not yet copied. */
const checkPoints = (cuts: readonly Cut[]): void => {
  const known = new Set<string>();
  const withState = new Set<string>();
  for (const { epochs, point } of cuts) {
    for (const { diskId, open } of epochs) {
      known.add(idText(diskId));
      if (!open && point !== undefined) withState.add(idText(diskId));
    }
    if (point === undefined) continue;
    const members = point.members.map(({ diskId }) => idText(diskId));
    const copying = point.disksNotYetCopied.map(idText);
    const told = new Set([...members, ...copying, ...point.disksExcluded.map(idText)]);
    const silent = [...known].filter((id) => !told.has(id));
    const wrong = copying.filter((id) => withState.has(id));
    if (silent.length + wrong.length > 0) throw new Error(`a point says nothing of ${silent} and is wrong about ${wrong}`);
  }
};

export const openEngineRig = async (paths: readonly string[], change: Partial<EngineOptions> = {}): Promise<EngineRig> => {
  const machineId = newId();
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'engine-'));
  const server = createModelServer();
  const site = await openReplicationSite({ serve: (call) => server.serve(call) });
  const address = `127.0.0.1:${site.server.port}`;
  const events: EngineEvent[] = [];
  const registry = await openDiskRegistry(path.join(directory, 'disks.json'));
  const findDisks = () => registry.identify(discoverDisks(localSystem, paths));
  let disks = await findDisks();
  let revision = 0n;

  const start = (changed: Partial<EngineOptions>): Engine =>
    createEngine({
      machineId,
      version: '1.2.3',
      directory,
      log: { directory: undefined, quota: 64 << 20, segment: 4 << 20, memory: 16 << 20 },
      trace: RIG_TRACE,
      interval: undefined,
      waits: { first: 5, longest: 50, refused: 50 },
      copy: { rate: 0, yields: false },
      checkInterval: 0,
      registry,
      findDisks,
      connect: (to) => site.connect(undefined, { address: to }),
      onEvent: (event) => void events.push(event),
      ...change,
      ...changed,
    });
  let engine = start({});

  const diskOf = (wanted: string): RegisteredDisk => {
    const found = disks.find((disk) => disk.path === wanted);
    if (found === undefined) throw new Error(`no disk ${wanted}`);
    return found;
  };

  const stateAt = async (last: ModelServer['vault'][number]): Promise<Map<string, Buffer>> => {
    const receiver = createReceiver();
    for (const received of server.vault.slice(0, server.vault.indexOf(last) + 1)) await receiver.receive(received);
    const pathOf = (diskId: Uint8Array): string => disks.find(({ id }) => id === idText(diskId))!.path;
    return new Map(last.cut.point!.members.map(({ diskId, epoch }) => [pathOf(diskId), receiver.state(epoch!)]));
  };

  return {
    machineId,
    directory,
    server,
    events,
    get engine() {
      return engine;
    },
    disk: diskOf,
    protect(wanted, changed = {}) {
      revision += 1n;
      const diskIds = wanted.map((one) => idBytes(diskOf(one).id));
      const standard = {
        machineId: idBytes(machineId),
        diskIds,
        processServers: [address],
        pointIntervalSeconds: 3600,
        compression: 'lz4',
      };
      engine.apply(revision, create(AgentProtectionSchema, { ...standard, ...(changed as object) }));
    },
    unprotect() {
      revision += 1n;
      engine.apply(revision, undefined);
    },
    async point() {
      const before = engine.status.points;
      const wantPoint = async (): Promise<void> => {
        engine.pointNow();
        await until(
          'a point is made',
          () => engine.status.points > before,
          () => [engine.status, events].map(String),
        );
      };
      await wantPoint();
      await until(
        'it is durable',
        () => engine.status.pendingCuts === 0,
        () => events,
      );
      checkPoints(server.vault.map(({ cut }) => cut));
      return stateAt(server.vault.findLast(({ cut }) => cut.point !== undefined)!);
    },
    stateOf: (cutId) => stateAt(server.vault.find(({ cut }) => idText(cut.id) === cutId)!),
    async restart(changed = {}) {
      await engine.stop();
      disks = await findDisks();
      engine = start(changed);
    },
    async close() {
      await engine.stop();
      await site.close();
      try {
        forgetTrace(machineId, RIG_TRACE);
      } catch {
        // Nothing was traced.
      }
      for (const left of ['log', 'sender.json']) fs.rmSync(`/dev/shm/holdfast-${machineId}-${left}`, { recursive: true, force: true });
      fs.rmSync(directory, { recursive: true });
    },
  };
};
