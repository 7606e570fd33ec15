import { CheckResult, type Finding, type RecoveryTarget } from '@holdfast/protocol';
import type { AgentPresence, ServerPresence } from '../control/presence.ts';
import { serversFor } from '../jobs/choose-server.ts';
import { find } from '../records/kind.ts';
import { machines, manifests, policies, servers as serverKind } from '../records/kinds.ts';
import { chooseRecoveryServer } from '../recovery/choose-recovery-server.ts';
import { committedFailover, committedWords } from '../recovery/release-fence.ts';
import { vaultName } from '../vaults/vault-record.ts';
import { type Answer, type Asked, type AskParts, askMember, lastAnswer } from './ask-member.ts';
import { type JudgedServer, judge } from './judge.ts';
import { bridgesOf } from './look-at-bridges.ts';

/** What a machine is, or is to be, protected with. */
export interface Wanted {
  readonly policyId: string;
  readonly policyName: string;
  readonly vault: string;
  /** Id of the one process server that is wanted; empty for any. */
  readonly server: string;
  readonly excluded: readonly string[];
  readonly target: RecoveryTarget | Omit<RecoveryTarget, '$typeName' | '$unknown'> | undefined;
}

export interface CheckParts extends AskParts {
  readonly agents: AgentPresence;
  readonly servers: ServerPresence;
}

export interface Checked {
  /** The gravest first. */
  readonly findings: readonly Finding[];
  /** When the machine looked; 0: not yet. */
  readonly at: number;
}

export const failures = ({ findings }: Pick<Checked, 'findings'>): readonly Finding[] =>
  findings.filter(({ result }) => result === CheckResult.FAILED);

/** Process servers whose surroundings are looked at for one machine, at most. */
const MOST_SERVERS = 4;

/** How to look. */
export interface Look {
  /** Only at what was found before. */
  readonly last?: boolean;
  /** Milliseconds that what process servers found may be old. */
  readonly age?: number;
}

/** The process server that would run the machine if its target names a bridge; undefined where it names none, or nobody could run it. */
const runnerOf = async (
  store: CheckParts['store'],
  servers: ServerPresence,
  { vault, server, target }: Wanted,
): Promise<string | undefined> => {
  if (target?.fabric !== 'qemu' || bridgesOf(target).length === 0) return undefined;
  return chooseRecoveryServer(store, servers, { vault, fabric: target.fabric, wanted: '', own: server }).catch(() => undefined);
};

/** Looks whether all is there that a machine needs: by asking it and process servers, or (`last`) by what they found before. */
export const checkMachine = async (
  parts: CheckParts,
  machineId: string,
  wanted: Wanted,
  { last = false, age = 0 }: Look = {},
): Promise<Checked> => {
  const { store, agents, servers: presence } = parts;
  const candidates = (await serversFor(store, presence, wanted.vault)).filter((id) => wanted.server === '' || id === wanted.server);
  const chosen = candidates
    .slice(0, MOST_SERVERS)
    .flatMap((id) => (presence.get(id)?.connected === true ? [{ id, known: presence.get(id)! }] : []));
  const addresses = [...new Set(chosen.flatMap(({ known }) => known.hello.endpoints))];
  const known = agents.get(machineId);
  const runner = await runnerOf(store, presence, wanted);
  const asked = (id: string): Asked => (id === runner ? { bridges: bridgesOf(wanted.target ?? {}) } : {});
  const ask = async (id: string, member: Parameters<typeof askMember>[2], about: Asked, old = 0): Promise<Answer> =>
    last ? ((await lastAnswer(store, id)) ?? 'unable') : askMember(parts, id, member, about, old);
  const [answer, ofRunner, ...answers] = await Promise.all([
    ask(machineId, known, { servers: addresses }),
    runner === undefined ? ('unable' as const) : ask(runner, presence.get(runner), asked(runner), age),
    ...chosen.map((server) => ask(server.id, server.known, asked(server.id), age)),
  ]);
  const nameOf = async (id: string): Promise<string> => (await find(store, serverKind, id))?.value.name ?? id;
  const judged: JudgedServer[] = await Promise.all(
    chosen.map(async (server, at) => {
      const record = (await find(store, serverKind, server.id))?.value;
      const calls = record?.served?.find(({ id }) => id === wanted.vault)?.name ?? (await vaultName(store, wanted.vault));
      return { name: record?.name ?? server.id, known: server.known, answer: answers[at]!, calls };
    }),
  );
  const vault = wanted.vault === '' ? '' : await vaultName(store, wanted.vault);
  const unopened = presence.connected().flatMap((id) => {
    const { report, hello } = presence.get(id)!;
    const told = report !== undefined && report.vaults.length > 0 ? report.vaults : hello.vaultReports;
    const found = told.find(({ name, problem }) => name === vault && problem !== '');
    return found === undefined || (wanted.server !== '' && wanted.server !== id) ? [] : [{ id, problem: found.problem }];
  });
  const policy = await find(store, policies, wanted.policyId);
  const fencedBy = await committedFailover(store, machineId, wanted.vault);
  const findings = judge({
    machine: { name: (await find(store, machines, machineId))?.value.name ?? machineId, known: agents.get(machineId), answer: answer! },
    manifest: (await find(store, manifests, machineId))?.value,
    excluded: wanted.excluded,
    vault,
    unopened: await Promise.all(unopened.map(async ({ id, problem }) => ({ name: await nameOf(id), problem }))),
    fenced: fencedBy === undefined ? '' : committedWords(fencedBy.value),
    wantedServer: wanted.server === '' ? '' : await nameOf(wanted.server),
    servers: judged,
    runner: runner === undefined ? undefined : { name: await nameOf(runner), answer: ofRunner },
    policy: { name: policy?.value.name ?? wanted.policyName, isThere: policy !== undefined },
    target: wanted.target,
    fabrics: presence.connected().flatMap((id) => presence.get(id)?.hello.fabrics ?? []),
  });
  return { findings, at: typeof answer === 'string' ? 0 : answer!.answered };
};
