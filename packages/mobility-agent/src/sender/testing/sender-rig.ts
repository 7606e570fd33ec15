import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type CutContent, idText, type ReplicationStream } from '@holdfast/protocol';
import { openReplicationSite } from '@holdfast/protocol/conformance';
import type { Hrl } from '../../hrl/hrl.ts';
import { openHrl } from '../../hrl/open-hrl.ts';
import { type CutShape, commitCut, MACHINE } from '../../hrl/testing/scripted-cuts.ts';
import { createSender, type Sender, type SenderOptions, type SenderStatus } from '../sender.ts';
import { openSenderMemory } from '../sender-memory.ts';
import { createModelServer, type ModelServer } from './model-server.ts';
import { until } from './until.ts';

/** An agent's log and sender, and a server to talk to over real connections. */
export interface SenderRig {
  readonly server: ModelServer;
  readonly hrl: Hrl;
  readonly sender: Sender;
  readonly directory: string;
  readonly address: string;
  /** Connects with the agent's certificate. */
  connect(address: string): Promise<ReplicationStream>;
  /** Ids in order of being freed. */
  readonly freed: readonly string[];
  /** Ids of cuts that were freed before the vault had them: what must never be. */
  readonly freedEarly: readonly string[];
  readonly states: readonly SenderStatus[];
  readonly resyncs: readonly string[];
  /** Ends the agent's process, so to speak, and starts it again. */
  restartAgent(options?: Partial<SenderOptions>): Promise<void>;
  close(): Promise<void>;
}

export const openSenderRig = async (options: Partial<SenderOptions> = {}): Promise<SenderRig> => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'sender-'));
  const server = createModelServer();
  const site = await openReplicationSite({ serve: (call) => server.serve(call) });
  const address = `127.0.0.1:${site.server.port}`;
  const connect = (to: string) => site.connect(undefined, { address: to });
  const freed: string[] = [];
  const freedEarly: string[] = [];
  const states: SenderStatus[] = [];
  const resyncs: string[] = [];
  let hrl: Hrl;
  let sender: Sender;

  const start = async (changed: Partial<SenderOptions> = {}): Promise<void> => {
    const log = await openHrl({ machineId: MACHINE, directory: path.join(directory, 'log'), quotaBytes: 64 << 20, segmentBytes: 1 << 20 });
    hrl = log;
    sender = createSender({
      machineId: MACHINE,
      version: '1.2.3',
      log: {
        committed: () => log.committed(),
        heads: () => log.heads(),
        free(id) {
          if (!server.vault.some((received) => received.id === id)) freedEarly.push(id);
          freed.push(id);
          log.free(id);
        },
      },
      memory: await openSenderMemory({ file: path.join(directory, 'sender.json') }),
      servers: [address],
      connect,
      onDurable: () => undefined,
      onResyncNeeded: (diskId, reason) => void resyncs.push(`${diskId} ${reason}`),
      onChange: (status) => void states.push(status),
      waits: { first: 1, longest: 10, refused: 20 },
      ...options,
      ...changed,
    });
  };
  await start();
  const end = async (): Promise<void> => {
    await sender.stop();
    await hrl.close();
  };

  return {
    server,
    directory,
    address,
    connect,
    freed,
    freedEarly,
    states,
    resyncs,
    get hrl() {
      return hrl;
    },
    get sender() {
      return sender;
    },
    async restartAgent(changed) {
      await end();
      await start(changed);
    },
    async close() {
      await end();
      await site.close();
      fs.rmSync(directory, { recursive: true });
    },
  };
};

const idsOf = (cuts: readonly CutContent[]): string[] => cuts.map(({ cut }) => idText(cut.id));

/** Commits a cut, and tells the sender. */
export const commit = (rig: SenderRig, shape: CutShape): string => {
  const { id } = commitCut(rig.hrl, shape);
  rig.sender.wake();
  return id;
};

/** How things stand, for a test that waits in vain. */
export const describeRig = (rig: SenderRig) => () => ({
  status: rig.sender.status,
  freed: rig.freed.length,
  held: idsOf(rig.hrl.committed()).length,
  vault: rig.server.vault.length,
  journal: rig.server.journal.length,
  violations: rig.server.violations,
});

export const allFreed = (rig: SenderRig): Promise<void> => until('all is freed', () => rig.hrl.committed().length === 0, describeRig(rig));

/** Everything committed is in the vault once, in order and whole; nothing was freed before, and no rule was broken. */
export const expectCarried = (rig: SenderRig, ids: readonly string[]): void => {
  expect(rig.server.violations).toEqual([]);
  expect(rig.freedEarly).toEqual([]);
  expect(rig.server.vault.map(({ id }) => id)).toEqual(ids);
  expect(rig.freed).toEqual(ids);
};
