import type { KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Log } from '@holdfast/daemon';
import { fromSystem, type HoldfastError } from '@holdfast/errors';
import { type AdaptMachine, type discardRecovery, type Fabric, LOGIN_PROMPT, type provePoint, verifyProof } from '@holdfast/fabric';
import { idText, isId, type ProofReportSchema, RecoveryStage, type WantedProof } from '@holdfast/protocol';
import { listHolds, readMachine } from '@holdfast/vault';
import { writeWhole } from '../control/write-whole.ts';
import type { Vaults } from '../upload/vaults.ts';
import { describeProof } from './describe-proof.ts';
import { machineTarget } from './machine-target.ts';
import { choosePoint } from './points.ts';
import { watchVault } from './watch-vault.ts';

/** Proves points: starts each in isolation, looks, and takes it away again; one after the other. */
export interface Proofs {
  /** What is to be proven now; what is not named any more is given up. */
  want(proofs: readonly WantedProof[]): void;
  reports(): readonly MessageInitShape<typeof ProofReportSchema>[];
  close(): Promise<void>;
}

export interface ProofsOptions {
  readonly vaults: Pick<Vaults, 'open'>;
  readonly fabric: (name: string) => Fabric;
  /** `@holdfast/fabric` but for specs. */
  readonly prover: { readonly provePoint: typeof provePoint; readonly discardRecovery: typeof discardRecovery };
  /** Of this alone: what an earlier end of this server left there is removed. At most 60 bytes. */
  readonly directory: string;
  signingKey(): Promise<KeyObject>;
  /** The file of a script of this name. Errors: SCRIPT_REFUSED. */
  scriptOf(name: string): Promise<string>;
  readonly adaptationOf?: (proof: { readonly pointTime: number }) => AdaptMachine;
  readonly log: Log;
  /** Called whenever a report is another one. */
  onChange(): void;
  /** Milliseconds before what was left is tried to be removed again. */
  readonly pause?: number;
  /** Milliseconds for which a vault may not answer before an attempt is given up. */
  readonly vaultPatience?: number;
  /** Milliseconds for which others wait until what was given up is taken away. */
  readonly farewell?: number;
}

interface Work {
  readonly wanted: WantedProof;
  readonly stop: AbortController;
  report: MessageInitShape<typeof ProofReportSchema>;
}

const PATIENCE_SECONDS = 600;
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 60_000;
const LONGEST_TEXT = 200;
const VAULT_PATIENCE = 120_000;
/** A machine is gone within seconds; what hangs in the kernel or at a vault is not waited for by others. */
const FAREWELL = 30_000;

/** What appears on the console literally: whoever writes a policy may not keep this server busy with a pattern. */
const consolePattern = (text: string): RegExp =>
  text === '' ? LOGIN_PROMPT : new RegExp(text.slice(0, LONGEST_TEXT).replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'));

const isWhole = ({ id, machineId, pointId }: WantedProof): boolean => [id, machineId, pointId].every(({ length }) => length === 16);

export const openProofs = async (options: ProofsOptions): Promise<Proofs> => {
  const { vaults, fabric, prover, directory, log, onChange } = options;
  const works = new Map<string, Work>();
  let turn: Promise<void> = Promise.resolve();
  const closing = new AbortController();
  const clearing = new Map<string, Promise<void>>();
  /** The same attempt, begun before an end of this server, is made anew: behind what that left. */
  const waiting = new Set<Promise<void>>();

  /** Written before anything is made for an attempt, removed when nothing of it is left: machine, files, hold in the vault. */
  const noteOf = (operationId: string): string => path.join(directory, `${operationId}.json`);
  /** True when nothing is left, not even the note. */
  const forget = async (operationId: string): Promise<boolean> => {
    if (existsSync(path.join(directory, operationId))) return false;
    await rm(noteOf(operationId), { force: true });
    return true;
  };
  const occupy = (operationId: string, work: Promise<void>): void => {
    const both = Promise.all([clearing.get(operationId), work]).then(() => undefined);
    clearing.set(operationId, both);
    void both.finally(() => {
      if (clearing.get(operationId) === both) clearing.delete(operationId);
    });
  };
  const clear = (operationId: string): void => occupy(operationId, clearUp(operationId));

  /** What an earlier end of this server left behind: nobody looks at it any more. Again while its vault is away, which may hold the point for it. */
  const clearUp = async (operationId: string): Promise<void> => {
    for (let pause = options.pause ?? FIRST_PAUSE; !closing.signal.aborted; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      try {
        const note = JSON.parse(await readFile(noteOf(operationId), 'utf8')) as { readonly vault: string; readonly fabric: string };
        const vault = await vaults.open(note.vault);
        await prover.discardRecovery({ fabric: fabric(note.fabric), directory, operationId, vault });
        if (await forget(operationId)) return;
        log.warn('What is left of a proof was to be removed, and is there', { proof: operationId, directory });
      } catch (error) {
        log.warn('What is left of a proof cannot be removed yet', { proof: operationId, error });
      }
      await sleep(pause, undefined, { signal: closing.signal }).catch(() => undefined);
    }
  };

  const tell = (work: Work, report: Omit<MessageInitShape<typeof ProofReportSchema>, '$typeName' | 'id'>): void => {
    // What was given up with its vault may still come to something, later than anybody waits for it.
    if (work.report.stage === RecoveryStage.FAILED) return;
    work.report = { ...report, id: work.wanted.id };
    onChange();
  };

  const givenUp = ({ stop: { signal } }: Work): Promise<void> =>
    new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));

  const tellFailure = (work: Work, error: HoldfastError): void => {
    const { code: problemCode, thing, why, remedy } = error;
    if (work.report.stage === RecoveryStage.FAILED) return;
    log.warn('A point could not be tried', { machine: idText(work.wanted.machineId), proof: idText(work.wanted.id), error });
    tell(work, { stage: RecoveryStage.FAILED, problemCode, problem: `${thing}: ${why}`, remedy });
  };

  /** `signal` aborts, with the reason that counts, when it is given up or its vault is away. */
  const prove = async (work: Work, signal: AbortSignal): Promise<void> => {
    const { wanted } = work;
    const [operationId, machineId] = [idText(wanted.id), idText(wanted.machineId)];
    let [pointId, pointTime] = [idText(wanted.pointId), Number(wanted.pointUnixMillis)];
    const {
      script = '',
      console = '',
      ports = [],
      checkFileSystems = false,
      awaitAgent = false,
      patienceSeconds = 0,
    } = wanted.checks ?? {};
    try {
      const vault = await vaults.open(wanted.vault);
      // The newest is the newest now: the order may have waited for its turn for hours.
      if (wanted.choose !== undefined) ({ id: pointId, time: pointTime } = choosePoint(await readMachine(vault, machineId), wanted.choose));
      const where = fabric(wanted.target?.fabric ?? '');
      const { hardware } = wanted.target === undefined ? { hardware: {} } : machineTarget(wanted.target, true);
      tell(work, { stage: RecoveryStage.WORKING, detail: 'the point is started in isolation' });
      await writeWhole(noteOf(operationId), JSON.stringify({ vault: wanted.vault, fabric: where.kind }));
      const proof = await prover.provePoint({
        vault,
        machineId,
        pointId,
        fabric: where,
        directory,
        operationId,
        hardware,
        console: consolePattern(console),
        ports,
        checkFileSystems,
        awaitAgent,
        patience: (patienceSeconds || PATIENCE_SECONDS) * 1000,
        signingKey: await options.signingKey(),
        ...(script === '' ? {} : { script: await options.scriptOf(script) }),
        ...(options.adaptationOf === undefined ? {} : { adapt: options.adaptationOf({ pointTime }) }),
        onStep: ({ name, passed }) => tell(work, { stage: RecoveryStage.WORKING, detail: `${name}: ${passed ? 'well' : 'not well'}` }),
        signal,
      });
      const { tags, points } = await readMachine(vault, machineId);
      const time = points.find(({ id }) => id === pointId)?.time ?? pointTime;
      const verdict = verifyProof(proof, { vault: vault.id, machine: machineId, tags });
      const words = proof.passed ? 'it is proven' : 'it was tried, and is not good';
      tell(work, { stage: RecoveryStage.REACHED, detail: words, proof: describeProof(proof, verdict, time) });
    } catch (reason) {
      if (!signal.aborted) tellFailure(work, fromSystem(reason, `proof of machine ${wanted.machineName}`));
    } finally {
      // A vault that went away meanwhile may hold the point still.
      const isGone = await forget(operationId).catch((error: unknown) => {
        log.warn('A note about a proof could not be removed', { proof: operationId, error });
        return true;
      });
      if (!isGone && !closing.signal.aborted) clear(operationId);
    }
  };

  /** Others have their turn when it is over, or soon after it was given up, or its vault went away. */
  const takeTurn = async (work: Work): Promise<void> => {
    const { wanted, stop } = work;
    if (stop.signal.aborted) return;
    const id = idText(wanted.id);
    const over = new AbortController();
    const away = watchVault({
      look: async () => listHolds(await vaults.open(wanted.vault), idText(wanted.machineId)),
      vault: wanted.vault,
      patience: options.vaultPatience ?? VAULT_PATIENCE,
      over: over.signal,
    });
    const signal = AbortSignal.any([stop.signal, away]);
    const proven = prove(work, signal).finally(() => over.abort());
    // One of the same id that is wanted anew waits for the end of this one.
    occupy(id, proven);
    const late = new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true })).then(() => {
      if (!stop.signal.aborted) tellFailure(work, away.reason as HoldfastError);
      return sleep(options.farewell ?? FAREWELL, undefined, { ref: false });
    });
    await Promise.race([proven, late]);
  };

  await mkdir(directory, { recursive: true, mode: 0o700 });
  const left = (await readdir(directory)).flatMap((name) => (name.endsWith('.json') ? [name.slice(0, -'.json'.length)] : [])).filter(isId);
  for (const one of left) clear(one);

  return {
    want(proofs) {
      const named = new Set(proofs.map(({ id }) => idText(id)));
      for (const [id, { stop }] of works) {
        if (named.has(id)) continue;
        stop.abort();
        works.delete(id);
      }
      for (const wanted of proofs) {
        const id = idText(wanted.id);
        if (!isWhole(wanted) || works.has(id)) continue;
        const work: Work = {
          wanted,
          stop: new AbortController(),
          report: { id: wanted.id, stage: RecoveryStage.WORKING, detail: 'it waits for its turn' },
        };
        works.set(id, work);
        // What waits for its vault waits for itself alone.
        const ready = clearing.get(id) ?? Promise.resolve();
        const begun = Promise.race([ready, givenUp(work)]).then(() => {
          turn = turn.then(() => takeTurn(work));
        });
        waiting.add(begun);
        void begun.finally(() => waiting.delete(begun));
      }
    },
    reports: () => [...works.values()].map(({ report }) => report),
    async close() {
      closing.abort();
      for (const { stop } of works.values()) stop.abort();
      await Promise.all(waiting);
      await turn;
      while (clearing.size > 0) await Promise.all(clearing.values());
    },
  };
};
