import path from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { findTrustedScript, type ProgramContext } from '@holdfast/daemon';
import { createAdaptation, createQemuFabric, discardRecovery, openSigningKey, provePoint, recoverMachine } from '@holdfast/fabric';
import type { ConnectServerResponse, FabricReportSchema, ServerReportSchema } from '@holdfast/protocol';
import type { ProcessServerSchema } from '../settings.ts';
import type { Vaults } from '../upload/vaults.ts';
import { createAnswers } from './answers.ts';
import { assertNetwork } from './assert-network.ts';
import { createFabrics } from './fabrics.ts';
import { lenientAdaptation } from './lenient-adaptation.ts';
import { openProofs } from './proofs.ts';
import { openRecoveries } from './recoveries.ts';
import { createReleases } from './releases.ts';

/** The role `recovery` of a process server: it answers for vaults, and starts machines out of them. */
export interface RecoveryRole {
  /** What it can do, for the hello. */
  fabrics(): Promise<MessageInitShape<typeof FabricReportSchema>[]>;
  /** Throws where no machine can be plugged into a bridge of this host; undefined where none is started here. Errors: SETTING_INVALID. */
  readonly requireBridge: ((bridge: string) => Promise<void>) | undefined;
  apply(state: Pick<ConnectServerResponse, 'recoveries' | 'questions' | 'reconciling' | 'releases' | 'proofs'>): Promise<void>;
  /** What there is to say about it, for the report. */
  report(): Required<Pick<MessageInitShape<typeof ServerReportSchema>, 'recoveries' | 'answers' | 'releases' | 'proofs'>>;
}

/** Reports are gathered for this long, milliseconds. */
const GATHER = 100;

export const startRecovery = async (
  { settings, stateDirectory, log, onStop }: ProgramContext<ProcessServerSchema>,
  vaults: Vaults,
  tell: () => void,
): Promise<RecoveryRole> => {
  let telling: NodeJS.Timeout | undefined;
  const onChange = (): void => {
    telling ??= setTimeout(() => {
      telling = undefined;
      tell();
    }, GATHER);
  };
  const { enabled, directory = path.join(stateDirectory, 'recovery'), machines = path.join(directory, 'vm') } = settings.recovery;
  const fabrics = createFabrics(enabled ? [createQemuFabric({ directory: machines })] : []);
  const adaptationOf = ({ pointTime }: { readonly pointTime: number }) =>
    lenientAdaptation(createAdaptation({ scratch: path.join(directory, 'scratch'), pointTime }), log);
  const recoveries = await openRecoveries({
    directory,
    vaults,
    fabric: fabrics.of,
    recoverer: { recoverMachine, discardRecovery },
    adaptationOf,
    log,
    onChange,
  });
  const answers = createAnswers({ vaults, onAnswer: onChange });
  const proofs = await openProofs({
    vaults,
    fabric: fabrics.of,
    prover: { provePoint, discardRecovery },
    directory: path.join(directory, 'proofs'),
    signingKey: () => openSigningKey(path.join(stateDirectory, 'proof.key')),
    scriptOf: (name) => findTrustedScript(settings.recovery.proofScripts, name, 'recovery.proof-scripts of this process server'),
    adaptationOf,
    log,
    onChange,
  });
  const releases = createReleases({ vaults, log, onChange });
  onStop('recoveries', async () => {
    clearTimeout(telling);
    await releases.close();
    await proofs.close();
    await recoveries.close();
  });
  return {
    fabrics: fabrics.check,
    requireBridge: enabled ? (bridge) => assertNetwork(fabrics.of('qemu'), { kind: 'bridge', bridge }) : undefined,
    async apply(state) {
      answers.ask(state.questions);
      releases.want(state.releases);
      proofs.want(state.proofs);
      // A configuration server that reconciles may want what was ended long ago.
      if (!state.reconciling) await recoveries.want(state.recoveries);
    },
    report: () => ({
      recoveries: [...recoveries.reports()],
      answers: [...answers.all()],
      releases: [...releases.reports()],
      proofs: [...proofs.reports()],
    }),
  };
};
