import type { KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Log } from '@holdfast/daemon';
import { fromSystem } from '@holdfast/errors';
import { type AdaptMachine, type discardRecovery, type Fabric, LOGIN_PROMPT, type provePoint, verifyProof } from '@holdfast/fabric';
import { idText, isId, type ProofReportSchema, RecoveryStage, type WantedProof } from '@holdfast/protocol';
import { readMachine } from '@holdfast/vault';
import { writeWhole } from '../control/write-whole.ts';
import type { Vaults } from '../upload/vaults.ts';
import { describeProof } from './describe-proof.ts';
import { machineTarget } from './machine-target.ts';
import { choosePoint } from './points.ts';

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
  const forget = async (operationId: string): Promise<void> => {
    if (!existsSync(path.join(directory, operationId))) await rm(noteOf(operationId), { force: true });
  };

  /** What an earlier end of this server left behind: nobody looks at it any more. Again while its vault is away, which may hold the point for it. */
  const clearUp = async (operationId: string): Promise<void> => {
    for (let pause = options.pause ?? FIRST_PAUSE; !closing.signal.aborted; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      try {
        const note = JSON.parse(await readFile(noteOf(operationId), 'utf8')) as { readonly vault: string; readonly fabric: string };
        const vault = await vaults.open(note.vault);
        await prover.discardRecovery({ fabric: fabric(note.fabric), directory, operationId, vault });
        await forget(operationId);
        return;
      } catch (error) {
        log.warn('What is left of a proof cannot be removed yet', { proof: operationId, error });
        await sleep(pause, undefined, { signal: closing.signal }).catch(() => undefined);
      }
    }
  };

  const tell = (work: Work, report: Omit<MessageInitShape<typeof ProofReportSchema>, '$typeName' | 'id'>): void => {
    work.report = { ...report, id: work.wanted.id };
    onChange();
  };

  const givenUp = ({ stop: { signal } }: Work): Promise<void> =>
    new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));

  const prove = async (work: Work): Promise<void> => {
    const { wanted, stop } = work;
    const { signal } = stop;
    if (signal.aborted) return;
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
      if (signal.aborted) return;
      const error = fromSystem(reason, `proof of machine ${wanted.machineName}`);
      log.warn('A point could not be tried', { machine: machineId, point: pointId, error });
      const { code: problemCode, remedy } = error;
      tell(work, { stage: RecoveryStage.FAILED, problemCode, problem: `${error.thing}: ${error.why}`, remedy });
    } finally {
      await forget(operationId).catch((error: unknown) =>
        log.warn('A note about a proof could not be removed', { proof: operationId, error }),
      );
    }
  };

  await mkdir(directory, { recursive: true, mode: 0o700 });
  const left = (await readdir(directory)).flatMap((name) => (name.endsWith('.json') ? [name.slice(0, -'.json'.length)] : [])).filter(isId);
  for (const one of left) clearing.set(one, clearUp(one));

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
          turn = turn.then(() => prove(work));
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
      await Promise.all([turn, ...clearing.values()]);
    },
  };
};
