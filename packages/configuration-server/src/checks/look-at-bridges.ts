import { type Finding, parseMachineNetwork, type RecoveryTarget, unknown } from '@holdfast/protocol';
import type { ServerPresence } from '../control/presence.ts';
import { serverName } from '../jobs/steps.ts';
import { chooseRecoveryServer, type ServerChoice } from '../recovery/choose-recovery-server.ts';
import { type Answer, type AskParts, askMember } from './ask-member.ts';

/** Where a target has recovered machines plugged in; what is left empty asks for no bridge. */
export type TargetNetworks = Partial<Pick<RecoveryTarget, 'network' | 'testNetwork'>>;

const bridgeOf = (network: string | undefined): string | undefined => {
  const read = parseMachineNetwork(network ?? '');
  return read?.kind === 'bridge' ? read.bridge : undefined;
};

/** The bridges that a target names. */
export const bridgesOf = ({ network, testNetwork }: TargetNetworks): readonly string[] =>
  [...new Set([bridgeOf(network), bridgeOf(testNetwork)])].filter((name) => name !== undefined);

/** What the process server `server` answered of the bridges that a target names, with what each is for. */
export const judgeBridges = (target: TargetNetworks, server: string, answer: Answer): readonly Finding[] =>
  bridgesOf(target).map((bridge) => {
    const uses = [bridgeOf(target.network) === bridge ? 'a failover' : '', bridgeOf(target.testNetwork) === bridge ? 'a test' : ''];
    const use = uses.filter((one) => one !== '').join(' and ');
    const told =
      typeof answer === 'string' ? undefined : answer.findings.find(({ code, thing }) => code === 'target-bridge' && thing === bridge);
    if (told === undefined) return unknown('target-bridge', bridge, `${server} did not tell whether ${use} could use it`);
    return { ...told, text: `${server}: ${told.text}; ${use} uses it` };
  });

export interface BridgeParts extends AskParts {
  readonly servers: ServerPresence;
}

/** Asks the process server that would run a machine for the bridges that its target names. Nothing where there is none, or nobody could run it. */
export const lookAtBridges = async (parts: BridgeParts, choice: ServerChoice, target: TargetNetworks): Promise<readonly Finding[]> => {
  const bridges = choice.fabric === 'qemu' ? bridgesOf(target) : [];
  if (bridges.length === 0) return [];
  const server = await chooseRecoveryServer(parts.store, parts.servers, choice).catch(() => undefined);
  if (server === undefined) return [];
  const answer = await askMember(parts, server, parts.servers.get(server), { bridges });
  return judgeBridges(target, await serverName(parts.store, server), answer);
};
