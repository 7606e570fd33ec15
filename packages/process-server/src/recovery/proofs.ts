import type { KeyObject } from 'node:crypto';
import { mkdir, readdir } from 'node:fs/promises';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Log } from '@holdfast/daemon';
import { fromSystem } from '@holdfast/errors';
import { type AdaptMachine, type discardRecovery, type Fabric, LOGIN_PROMPT, type provePoint, verifyProof } from '@holdfast/fabric';
import { idText, isId, type ProofReportSchema, RecoveryStage, type WantedProof } from '@holdfast/protocol';
import { readMachine } from '@holdfast/vault';
import type { Vaults } from '../upload/vaults.ts';
import { describeProof } from './describe-proof.ts';
import { machineTarget } from './machine-target.ts';

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
  /** Of all fabrics that may have been at work there. */
  readonly fabrics: readonly string[];
  signingKey(): Promise<KeyObject>;
  /** The file of a script of this name. Errors: SCRIPT_REFUSED. */
  scriptOf(name: string): Promise<string>;
  readonly adaptationOf?: (proof: { readonly pointTime: number }) => AdaptMachine;
  readonly log: Log;
  /** Called whenever a report is another one. */
  onChange(): void;
}

interface Work {
  readonly wanted: WantedProof;
  readonly stop: AbortController;
  report: MessageInitShape<typeof ProofReportSchema>;
}

const PATIENCE_SECONDS = 600;
const LONGEST_TEXT = 200;

/** What appears on the console literally: whoever writes a policy may not keep this server busy with a pattern. */
const consolePattern = (text: string): RegExp =>
  text === '' ? LOGIN_PROMPT : new RegExp(text.slice(0, LONGEST_TEXT).replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'));

const isWhole = ({ id, machineId, pointId }: WantedProof): boolean => [id, machineId, pointId].every(({ length }) => length === 16);

export const openProofs = async (options: ProofsOptions): Promise<Proofs> => {
  const { vaults, fabric, prover, directory, log, onChange } = options;
  const works = new Map<string, Work>();
  let turn: Promise<void> = Promise.resolve();

  /** Machines that an earlier end of this server left behind: nobody looks at them any more. */
  const clearUp = async (): Promise<void> => {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    for (const operationId of (await readdir(directory)).filter(isId))
      for (const name of options.fabrics)
        await prover
          .discardRecovery({ fabric: fabric(name), directory, operationId })
          .catch((error: unknown) => log.warn('What is left of a proof could not be removed', { proof: operationId, error }));
  };

  const tell = (work: Work, report: Omit<MessageInitShape<typeof ProofReportSchema>, '$typeName' | 'id'>): void => {
    work.report = { ...report, id: work.wanted.id };
    onChange();
  };

  const prove = async (work: Work): Promise<void> => {
    const { wanted, stop } = work;
    const { signal } = stop;
    if (signal.aborted) return;
    const [operationId, machineId, pointId] = [wanted.id, wanted.machineId, wanted.pointId].map(idText) as [string, string, string];
    const { script = '', console = '', ports = [], checkFileSystems = false, patienceSeconds = 0 } = wanted.checks ?? {};
    try {
      const vault = await vaults.open(wanted.vault);
      const where = fabric(wanted.target?.fabric ?? '');
      const { hardware } = wanted.target === undefined ? { hardware: {} } : machineTarget(wanted.target, true);
      tell(work, { stage: RecoveryStage.WORKING, detail: 'the point is started in isolation' });
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
        patience: (patienceSeconds || PATIENCE_SECONDS) * 1000,
        signingKey: await options.signingKey(),
        ...(script === '' ? {} : { script: await options.scriptOf(script) }),
        ...(options.adaptationOf === undefined ? {} : { adapt: options.adaptationOf({ pointTime: Number(wanted.pointUnixMillis) }) }),
        onStep: ({ name, passed }) => tell(work, { stage: RecoveryStage.WORKING, detail: `${name}: ${passed ? 'well' : 'not well'}` }),
        signal,
      });
      const { tags, points } = await readMachine(vault, machineId);
      const time = points.find(({ id }) => id === pointId)?.time ?? Number(wanted.pointUnixMillis);
      const verdict = verifyProof(proof, { vault: vault.id, machine: machineId, tags });
      const words = proof.passed ? 'it is proven' : 'it was tried, and is not good';
      tell(work, { stage: RecoveryStage.REACHED, detail: words, proof: describeProof(proof, verdict, time) });
    } catch (reason) {
      if (signal.aborted) return;
      const error = fromSystem(reason, `proof of machine ${wanted.machineName}`);
      log.warn('A point could not be tried', { machine: machineId, point: pointId, error });
      const { code: problemCode, remedy } = error;
      tell(work, { stage: RecoveryStage.FAILED, problemCode, problem: `${error.thing}: ${error.why}`, remedy });
    }
  };

  await clearUp();

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
        turn = turn.then(() => prove(work));
      }
    },
    reports: () => [...works.values()].map(({ report }) => report),
    async close() {
      for (const { stop } of works.values()) stop.abort();
      await turn;
    },
  };
};
