import type { ServiceImpl } from '@connectrpc/connect';
import type { ControlService } from '@holdfast/protocol';
import type { VaultBackups } from '../backup/vault-backups.ts';
import { memberOf } from '../listener/caller.ts';
import type { Revocations } from '../listener/revocations.ts';
import type { Reconciliation } from '../reconcile/reconciliation.ts';
import type { Questions } from '../recovery/questions.ts';
import { admitAgent, type ControlParts } from './agent-stream.ts';
import { createEventPace } from './event-pace.ts';
import { holdStream } from './hold-stream.ts';
import type { OpenStreams } from './open-streams.ts';
import type { AgentPresence, ServerPresence } from './presence.ts';
import { admitServer, type ServerParts } from './server-stream.ts';

export interface ControlOptions extends Omit<ControlParts, 'pace'> {
  readonly revocations: Revocations;
  readonly agents: AgentPresence;
  readonly servers: ServerPresence;
  readonly streams: OpenStreams;
  readonly reconciliation: Reconciliation;
  readonly vaultBackups: VaultBackups;
  readonly questions: Questions;
  readonly whereabouts: ServerParts['whereabouts'];
}

/** Streams of machines and servers: they say how they are and are told what is wanted of them. */
export const createControlService = ({
  store,
  notifier,
  revocations,
  agents,
  servers,
  streams,
  reconciliation,
  addresses,
  whereabouts,
  isStopping,
  version,
  vaultBackups,
  questions,
}: ControlOptions): ServiceImpl<typeof ControlService> => {
  const pace = createEventPace();
  return {
    connectAgent: (requests, { values, signal }) => {
      const peer = memberOf(values);
      const admit = admitAgent.bind(undefined, { store, notifier, addresses, pace, isStopping, version, presence: agents }, peer);
      return streams.count(holdStream({ peer, requests, signal, revocations, admit }));
    },
    connectServer: (requests, { values, signal }) => {
      const peer = memberOf(values);
      const admit = admitServer.bind(
        undefined,
        { store, notifier, addresses, whereabouts, pace, isStopping, version, reconciliation, vaultBackups, questions, presence: servers },
        peer,
      );
      return streams.count(holdStream({ peer, requests, signal, revocations, admit }));
    },
    async *fetchBackup({ vault }, { values }) {
      for await (const part of vaultBackups.fetch(memberOf(values).identity.id, vault)) yield { part: new Uint8Array(part) };
    },
  };
};
