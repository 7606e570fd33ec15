import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '@holdfast/daemon';
import type { ServerReport } from '@holdfast/protocol';
import { listAll } from '../records/kind.ts';
import { protections, type RestoredRecord, revocations, servers as serverKind } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { vaultName } from '../vaults/vault-record.ts';
import { recoveryDifferences, takeCarriedOut } from './carried-out.ts';
import { type HeldParts, heldDifferences, takeHeld } from './held.ts';
import { lineDifferences, takeLines } from './lines.ts';
import { endReconciliation, restoredOf } from './restored.ts';

export interface ReconciliationState {
  readonly restored: RestoredRecord;
  /** What nobody has told yet, in words. */
  readonly missing: readonly string[];
  /** Where what was told is not what this server knows, in words. */
  readonly differences: readonly string[];
}

/** A server that was restored learns what it does not know from process servers, and what they read in the vaults. */
export interface Reconciliation {
  /** What a process server told; does nothing when there is nothing to reconcile. */
  take(server: string, report: ServerReport): Promise<void>;
  /** Undefined when there is nothing to reconcile. */
  state(): Promise<ReconciliationState | undefined>;
  /** Ends the wait once nothing is missing and nothing differs. Until `stopping` aborts. */
  run(stopping: AbortSignal): Promise<void>;
}

export interface ReconciliationOptions extends HeldParts {
  /** Milliseconds after a start that members get to connect, before it can be said that nothing is missing. */
  readonly settle: number;
  readonly log: Log;
}

/** Milliseconds between looks. */
const LOOK = 1000;
/** Certificates live no longer (settings.ts): a serial number of which only that is known is kept for so long. */
const LONGEST_LIFE = 90 * 24 * 3_600_000;

const serialText = (bytes: Uint8Array): string =>
  Buffer.from(bytes)
    .toString('hex')
    .replace(/^(00)+/, '');

export const createReconciliation = ({ settle, log, ...parts }: ReconciliationOptions): Reconciliation => {
  const { store, servers } = parts;
  const started = performance.now();

  const takeRevoked = async (serials: readonly Uint8Array[]): Promise<void> => {
    const fresh: string[] = [];
    for (const serial of serials) {
      const text = serialText(serial);
      if (/^[0-9a-f]{1,40}$/.test(text) && (await store.get(revocations.key(text))) === undefined) fresh.push(text);
    }
    if (fresh.length === 0) return;
    await transact(store, async (transaction) => {
      for (const serial of fresh) transaction.put(revocations, serial, { member: '', notAfter: Date.now() + LONGEST_LIFE });
    });
  };

  const missing = async (): Promise<readonly string[]> => {
    const words: string[] = [];
    const needed = new Set<string>();
    for await (const { value } of listAll(store, protections)) needed.add(value.vault);
    for (const id of servers.connected()) for (const { vault } of servers.get(id)?.report?.held ?? []) needed.add(vault);
    for await (const { id, value } of listAll(store, serverKind)) {
      const there = servers.get(id);
      if (value.role !== 'process-server') continue;
      if (there?.connected !== true) words.push(`${value.name} is not connected`);
      else if (there.report === undefined) words.push(`${value.name} has not reported yet`);
    }
    const read = new Set(servers.connected().flatMap((id) => servers.get(id)?.report?.vaultsRead ?? []));
    for (const vault of needed)
      if (!read.has(vault)) words.push(`no process server has read the vault ${await vaultName(store, vault)} yet`);
    return words;
  };

  const state = async (): Promise<ReconciliationState | undefined> => {
    const restored = await restoredOf(store);
    if (restored === undefined) return undefined;
    const lines = servers.connected().flatMap((id) => servers.get(id)?.report?.lines ?? []);
    return {
      restored,
      missing: await missing(),
      differences: [
        ...(await lineDifferences(store, lines, restored.made)),
        ...(await heldDifferences(parts)),
        ...(await recoveryDifferences(parts)),
      ],
    };
  };

  return {
    state,
    async take(server, { lines, held, heldRevokedSerials, recoveries }) {
      if (lines.length + held.length + heldRevokedSerials.length + recoveries.length === 0 || (await restoredOf(store)) === undefined)
        return;
      await takeRevoked(heldRevokedSerials);
      await takeLines(store, lines);
      await takeHeld(parts, server, held);
      await takeCarriedOut(parts, server, recoveries);
    },
    async run(stopping) {
      while (!stopping.aborted) {
        try {
          const now = await state();
          if (now === undefined) return;
          if (now.missing.length + now.differences.length === 0 && performance.now() - started >= settle)
            await endReconciliation(
              store,
              'reconciliation',
              'Everything that process servers and vaults told is known here: members are told again what is wanted of them',
            );
        } catch (error) {
          log.warn('What this server does not know could not be looked at; it is tried again', { error });
        }
        await sleep(LOOK, undefined, { signal: stopping }).catch(() => undefined);
      }
    },
  };
};
