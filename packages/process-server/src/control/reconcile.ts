import { setTimeout as sleep } from 'node:timers/promises';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Log } from '@holdfast/daemon';
import { fromSystem } from '@holdfast/errors';
import { type ConnectServerResponse, idBytes, type LineStateSchema, type ServerAssignmentSchema } from '@holdfast/protocol';
import { type MachineSummary, readMachine, type Vault } from '@holdfast/vault';
import type { Vaults } from '../upload/vaults.ts';
import { assignmentsOf } from './assignment-file.ts';
import type { Assignments } from './assignments.ts';

type Line = MessageInitShape<typeof LineStateSchema>;

/** Parts of the report to the configuration server. */
export interface HeldReport {
  readonly held?: MessageInitShape<typeof ServerAssignmentSchema>[];
  readonly lines?: Line[];
  readonly vaultsRead?: string[];
  readonly heldRevokedSerials?: Uint8Array<ArrayBuffer>[];
}

/**
 * What a configuration server that was restored has to know of this one: what is in force here, and what the vaults say. It knows nothing of what
 * was decided since its backup, so that what was in force stays so, and nothing is thinned or deleted meanwhile.
 */
export interface Reconciler {
  /** For the report, while it is asked for. */
  report(assignments: Assignments): HeldReport;
  /** Reads the vaults while that is asked for, until `stopping` aborts. */
  run(stopping: AbortSignal): Promise<void>;
  /** Whether the configuration server asks now. */
  set(isAsked: boolean): void;
}

/** What is in force from now on: what the configuration server wants, or, while it reconciles, what it wanted before. */
export const inForce = (before: Assignments, state: ConnectServerResponse): Assignments => {
  const wanted = assignmentsOf(state);
  if (!state.reconciling) return wanted;
  return { ...before, revoked: new Set([...before.revoked, ...wanted.revoked]), reconciling: true };
};

/** Milliseconds between two readings. */
const EVERY = 30_000;

const serialBytes = (serial: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(Buffer.from(serial.padStart(serial.length + (serial.length % 2), '0'), 'hex'));

const readLine = async (vault: Vault, name: string, { id, name: machineName }: MachineSummary): Promise<Line> => {
  const known = { machineId: idBytes(id), vault: name, machineName };
  try {
    const { head, failedOver, points } = await readMachine(vault, id);
    return {
      ...known,
      term: BigInt(head.term),
      newestPointUnixMillis: BigInt(points.at(-1)?.time ?? 0),
      ...(failedOver && { failoverOperationId: idBytes(failedOver.operationId), failoverPointId: idBytes(failedOver.pointId) }),
    };
  } catch (reason) {
    const { code, message } = fromSystem(reason, `machine ${id}`);
    return { ...known, problemCode: code, problem: message.slice(0, 500) };
  }
};

export const createReconciler = ({ vaults, log }: { readonly vaults: Vaults; readonly log: Log }): Reconciler => {
  let asked = false;
  let wake = Promise.withResolvers<void>();
  const lines = new Map<string, readonly Line[]>();

  const readVault = async (name: string, stopping: AbortSignal): Promise<void> => {
    const vault = await vaults.open(name);
    const found: Line[] = [];
    for (const machine of await vault.machines()) {
      if (stopping.aborted || !asked) return;
      found.push(await readLine(vault, name, machine));
    }
    lines.set(name, found);
  };

  return {
    report({ machines, revoked }) {
      if (!asked) return {};
      return {
        held: [...machines.values()].map(({ machineId, machineName, vault, seenTerm, retention }) => ({
          machineId: idBytes(machineId),
          machineName,
          vault,
          seenTerm: BigInt(seenTerm),
          retention,
        })),
        lines: [...lines.values()].flat(),
        vaultsRead: [...lines.keys()],
        heldRevokedSerials: [...revoked].map(serialBytes),
      };
    },
    set(isAsked) {
      if (isAsked === asked) return;
      asked = isAsked;
      lines.clear();
      if (isAsked)
        log.warn(
          'The configuration server was restored: what was in force stays so, and nothing is thinned, until it knows what it has to',
        );
      else log.info('The configuration server knows again what it has to');
      wake.resolve();
    },
    async run(stopping) {
      stopping.addEventListener('abort', () => wake.resolve(), { once: true });
      while (!stopping.aborted) {
        wake = Promise.withResolvers();
        if (asked)
          for (const name of vaults.names)
            await readVault(name, stopping).catch((error: unknown) => log.warn('A vault could not be read', { vault: name, error }));
        const rest = new AbortController();
        await Promise.race([wake.promise, asked ? sleep(EVERY, undefined, { signal: rest.signal }).catch(() => undefined) : wake.promise]);
        rest.abort();
      }
    },
  };
};
