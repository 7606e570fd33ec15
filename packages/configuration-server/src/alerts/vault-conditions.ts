import { type VaultReport, VaultState } from '@holdfast/protocol';
import type { Condition, Thresholds } from './conditions.ts';

/** A process server that has the vault in its settings, and what it said of it. */
export interface ServingFacts {
  readonly name: string;
  readonly connected: boolean;
  readonly report: VaultReport | undefined;
  readonly location: string;
  /** It has it at another place than the one that counts. */
  readonly elsewhere: boolean;
}

/** What is known of a vault, by whom it may concern. */
export interface VaultFacts {
  readonly name: string;
  readonly location: string;
  /** Machines that are protected into it. */
  readonly machines: number;
  readonly serving: readonly ServingFacts[];
  /** Process servers whose settings call another vault so now, though machines they receive are bound to this one: in words. */
  readonly replacedAt: readonly string[];
}

const plural = (count: number): string => (count === 1 ? '1 machine is' : `${count} machines are`);

/** What is not well with a vault that is in use. */
export const vaultConditions = (facts: VaultFacts, limits: Pick<Thresholds, 'awayWarning'>): readonly Condition[] => {
  const { name, machines, serving, replacedAt } = facts;
  const severity = machines > 0 ? 'critical' : 'warning';
  const depends = machines > 0 ? `; ${plural(machines)} protected into it` : '';
  const found: Condition[] = [];
  if (replacedAt.length > 0)
    found.push({
      severity: 'critical',
      code: 'vault-replaced',
      text: `vault ${name}: ${replacedAt.join('; ')}: nothing is written there${depends}`,
    });

  const other = serving.filter(({ elsewhere }) => elsewhere);
  if (other.length > 0)
    found.push({
      severity: 'critical',
      code: 'vault-in-two-places',
      text: `vault ${name} is in two places: ${facts.location} counts, and ${other.map((one) => `${one.name} has it at ${one.location}`).join(', ')}. Machines are not moved between them; let all process servers use one of the two, or remove the one that is lost with holdfast server remove, see "Moving a vault"`,
    });

  const there = serving.filter(({ connected, elsewhere }) => connected && !elsewhere);
  if (there.length === 0 && replacedAt.length === 0 && (machines > 0 || serving.length === 0))
    found.push({
      severity,
      code: 'vault-unserved',
      text: `no connected process server has the vault ${name}${depends}`,
      // A process server that starts anew is back sooner.
      lasting: limits.awayWarning,
    });

  const stuck = there.filter(({ report }) => report?.state === VaultState.UNREACHABLE || report?.state === VaultState.KEY);
  if (stuck.length > 0) {
    const words = stuck.map(({ name: server, report }) => `${server}: ${report!.problemCode} ${report!.problem}`).join('; ');
    const ofTheKey = stuck.every(({ report }) => report?.state === VaultState.KEY);
    found.push({
      severity: stuck.length === there.length ? severity : 'warning',
      code: ofTheKey ? 'vault-key' : 'vault-unreachable',
      text: `vault ${name} cannot be used by ${words}${depends}`,
    });
  }
  return found;
};
