import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '@holdfast/daemon';
import { type Finding, ProtectionState } from '@holdfast/protocol';
import { find, listAll } from '../records/kind.ts';
import { policies, protections } from '../records/kinds.ts';
import type { ServerChoice } from '../recovery/choose-recovery-server.ts';
import { lastAnswer } from './ask-member.ts';
import { type Checked, type CheckParts, checkMachine, type Look, type Wanted } from './check-machine.ts';
import { lookAtBridges, type TargetNetworks } from './look-at-bridges.ts';

/** What was found when protected machines were looked at last. */
export interface Checking {
  /** Looks at one machine. What is found counts as that of its protection where that is what it is, or is to be, protected with. */
  check(machineId: string, wanted: Wanted, how: Look & { readonly counts: boolean }): Promise<Checked>;
  /** What the process server that would run a machine says of the bridges that a target names; nothing where it names none, or nobody could run it. */
  bridges(choice: ServerChoice, target: TargetNetworks): Promise<readonly Finding[]>;
  /** Of a protected machine; undefined: nobody has looked since this server started. */
  found(machineId: string): Checked | undefined;
  /** Looks at each protected machine, again and again. */
  run(stopping: AbortSignal): Promise<void>;
}

export interface CheckingOptions extends CheckParts {
  /** Milliseconds from one look at a machine to the next. */
  readonly every: number;
  readonly log: Log;
}

/** Milliseconds between two rounds that see which machines are due. */
const ROUND = 60_000;

/** States in which a machine replicates. */
const LOOKED_AT: ReadonlySet<ProtectionState> = new Set([
  ProtectionState.PREPARING,
  ProtectionState.COPYING,
  ProtectionState.PROTECTED,
  ProtectionState.RESYNCHRONIZING,
  ProtectionState.FAILED,
]);

export const createChecking = (options: CheckingOptions): Checking => {
  const { store, agents, every, log } = options;
  const results = new Map<string, Checked>();

  const round = async (stopping: AbortSignal): Promise<void> => {
    const there = new Set<string>();
    for await (const { value: protection } of listAll(store, protections)) {
      const { machineId, policyId, vault, processServerId, excludedDiskIds, target, state } = protection;
      there.add(machineId);
      if (stopping.aborted) return;
      if (!LOOKED_AT.has(state) || agents.get(machineId)?.connected !== true) continue;
      const before = await lastAnswer(store, machineId);
      const isFresh = before !== undefined && Date.now() - before.answered < every;
      if (isFresh && results.has(machineId)) continue;
      const policyName = (await find(store, policies, policyId))?.value.name ?? policyId;
      const wanted = { policyId, policyName, vault, server: processServerId, excluded: excludedDiskIds, target };
      // After a start what was found before is judged anew, without asking everybody at once.
      results.set(machineId, await checkMachine(options, machineId, wanted, { last: isFresh, age: ROUND }));
    }
    for (const id of [...results.keys()]) if (!there.has(id)) results.delete(id);
  };

  return {
    async check(machineId, wanted, { counts, ...look }) {
      const checked = await checkMachine(options, machineId, wanted, look);
      if (counts) results.set(machineId, checked);
      return checked;
    },
    bridges: (choice, target) => lookAtBridges(options, choice, target),
    found: (machineId) => results.get(machineId),
    async run(stopping) {
      while (!stopping.aborted) {
        try {
          await round(stopping);
        } catch (error) {
          log.warn('Machines could not be looked at; it is tried again', { error });
        }
        await sleep(ROUND, undefined, { signal: stopping }).catch(() => undefined);
      }
    },
  };
};
