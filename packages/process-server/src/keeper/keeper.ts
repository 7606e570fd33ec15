import type { Log } from '@holdfast/daemon';
import { fromSystem, HoldfastError, isHoldfastError } from '@holdfast/errors';
import {
  type Anchor,
  affectedPoints,
  type Finding,
  type KeeperKey,
  type KeepOptions,
  type KeepReport,
  keepMachine,
  parseRetention,
  readScrubRecord,
  type ScrubReport,
  scrubMachine,
  type TierPolicy,
  type Vault,
} from '@holdfast/vault';
import type { Assignment } from '../control/assignments.ts';
import type { Events } from '../control/events.ts';

export interface KeeperOptions {
  machines(): readonly Assignment[];
  /** The vault of that name, at the pace of compaction. */
  vault(name: string): Promise<Vault>;
  /** The same at the pace of scrubbing. */
  scrubbed(name: string): Promise<Vault>;
  /** Of one vault, where that is named. */
  anchorOf(machineId: string, vaultId?: string): Anchor | undefined;
  /** Milliseconds between two looks at a machine, of a quiet one four times that; after which all is read again. */
  readonly every: number;
  readonly scrubEvery: number;
  readonly tiers: TierPolicy;
  /** Milliseconds; see `KeepOptions`. */
  readonly lockFor?: number;
  /** The key of the keepers of that vault, where they have one. */
  keeperKey?(vaultId: string): Promise<KeeperKey>;
  readonly log: Log;
  readonly events: Events;
  onKept?(report: KeepReport): void;
  onScrubbed?(report: ScrubReport): void;
  now?(): number;
  sleep(milliseconds: number, stopping?: AbortSignal): Promise<void>;
}

/** Looks after the machines assigned to this server, in their vaults: until it is stopped. */
export interface Keeper {
  /** Objects that scrubbing found damaged. */
  readonly damaged: number;
  /** Why it forgets and deletes nothing of that machine, where that is because nobody vouched for its catalogue: as it was found last. */
  notVouched(machineId: string): HoldfastError | undefined;
  /** The machines are others now: those that had no turn come next, and what is under way for one that is not among them any more ends. */
  wake(): void;
  keep(stopping: AbortSignal): Promise<void>;
  scrub(stopping: AbortSignal): Promise<void>;
}

/** Bytes one machine is scrubbed before the next one has its turn. */
const TURN = 256 * 1024 * 1024;
/** Milliseconds between two looks whether there is anything to scrub. */
const IDLE = 60_000;
/** Milliseconds, at most, after which it is asked again when a machine was read the last time: others may have done so. */
const ASK_AGAIN = 3_600_000;

/**
 * A look reads what the log got since the last compaction. Where that is less than so many objects there is little to do, and the next look may wait so
 * many times longer: of 2,000 idle machines, which put an object a minute each, nearly all would be read for nothing.
 */
const MANY_SLOTS = 64;
const QUIET = 4;

/** Milliseconds from one machine to the next, at most: many that are new at once would cost all there is of a processor for minutes. */
const LONGEST_GAP = 1000;

const gapOf = (every: number, machines: number): number => Math.min(LONGEST_GAP, every / Math.max(1, machines));

/** Leaves what is known of machines that are still there. */
const forgetOthers = (known: Map<string, unknown>, machines: readonly Assignment[]): void => {
  const present = new Set(machines.map(({ machineId }) => machineId));
  for (const machineId of known.keys()) if (!present.has(machineId)) known.delete(machineId);
};

/** None where nothing is to be thinned, or by words of a newer configuration server: then every point stays. */
const policyOf = (retention: string): Pick<KeepOptions, 'policy'> => {
  const read = parseRetention(retention);
  return 'policy' in read ? read : {};
};

const unreadable = ({ code, object, why }: Finding): HoldfastError =>
  new HoldfastError(code, {
    thing: object,
    why: `${why}; it may be of the newest proven point, and no point is forgotten`,
    remedy: 'use the newest release; where that reads it no better it is damaged, and the next proof that passes puts an end to it',
  });

export const createKeeper = (options: KeeperOptions): Keeper => {
  const { log, events, now = Date.now } = options;
  /** By machine, what keeps it from being kept, and what scrubbing found. */
  const problems = new Map<string, HoldfastError>();
  const rotten = new Map<string, readonly Finding[]>();
  const notVouched = new Map<string, HoldfastError>();
  /** By machine, when there may be something to scrub again. */
  const restUntil = new Map<string, number>();

  let waking = new AbortController();
  /** The machine that is being kept, and what ends that. */
  let underWay: { readonly machineId: string; readonly ending: AbortController } | undefined;
  const isWanted = (machineId: string): boolean => options.machines().some((machine) => machine.machineId === machineId);
  /** `awake` is what `waking` was when the machines were looked at. */
  const rest = (milliseconds: number, stopping: AbortSignal, awake: AbortController): Promise<void> =>
    awake.signal.aborted ? Promise.resolve() : options.sleep(milliseconds, AbortSignal.any([stopping, awake.signal]));

  const note = (machineId: string, work: string, reason: unknown): void => {
    const error = fromSystem(reason, `machine ${machineId}`);
    const isNew = problems.get(machineId)?.message !== error.message;
    problems.set(machineId, error);
    if (!isNew) return;
    log.warn(`A machine could not be ${work}`, { machine: machineId, error });
    events.add(error.code, `machine ${machineId} could not be ${work}: ${error.thing}: ${error.why}`);
  };

  const keepOne = async ({ machineId, vault, retention }: Assignment, signal: AbortSignal): Promise<void> => {
    try {
      const kept = await options.vault(vault);
      const anchor = options.anchorOf(machineId, kept.id);
      const report = await keepMachine(kept, machineId, {
        signal,
        ...policyOf(retention),
        ...(anchor && { anchor }),
        tiers: options.tiers,
        ...(options.lockFor !== undefined && { lockFor: options.lockFor }),
        keeperKey: await options.keeperKey?.(kept.id),
      });
      notVouched.delete(machineId);
      // The rest is done all the same.
      if (report.unknown === undefined) problems.delete(machineId);
      else note(machineId, 'thinned', unreadable(report.unknown));
      options.onKept?.(report);
      if (report.compactions + report.thinned + report.deleted + report.moved + report.lockedAnew > 0)
        log.info('A machine was kept', { machine: machineId, ...report });
    } catch (reason) {
      // Not in its vault yet, or the end of the program: nothing is wrong.
      if (signal.aborted) return;
      if (isHoldfastError(reason, 'VAULT_NOT_VOUCHED')) notVouched.set(machineId, reason);
      if (isHoldfastError(reason, 'MACHINE_NOT_FOUND')) problems.delete(machineId);
      else note(machineId, 'kept', reason);
    }
  };

  /** True when there was something to read. */
  const scrubOne = async ({ machineId, vault: name }: Assignment, signal: AbortSignal): Promise<boolean> => {
    try {
      const vault = await options.scrubbed(name);
      const { progress } = await readScrubRecord(vault, machineId);
      if (progress.round > 0) tell(machineId, progress.findings);
      const due = progress.started + options.scrubEvery;
      if (progress.complete && progress.round > 0 && now() < due) {
        restUntil.set(machineId, Math.min(due, now() + ASK_AGAIN));
        return false;
      }
      const report = await scrubMachine(vault, machineId, { bytes: TURN, signal, clock: { now, sleep: options.sleep } });
      options.onScrubbed?.(report);
      await tellPoints(machineId, report);
      tell(machineId, report.findings);
      return report.read > 0;
    } catch (reason) {
      if (!signal.aborted && !isHoldfastError(reason, 'MACHINE_NOT_FOUND')) note(machineId, 'scrubbed', reason);
      return false;
    }
  };

  const tell = (machineId: string, findings: readonly Finding[]): void =>
    void (findings.length > 0 ? rotten.set(machineId, findings) : rotten.delete(machineId));

  /** An event for each finding that is new, with what it costs. */
  const tellPoints = async (machineId: string, { findings, history }: ScrubReport): Promise<void> => {
    const known = rotten.get(machineId) ?? [];
    for (const finding of findings) {
      if (known.some(({ object, why }) => object === finding.object && why === finding.why)) continue;
      const affected = await affectedPoints(history, finding);
      const points = new Set(affected.map(({ pointId }) => pointId)).size;
      log.error('The vault is damaged', { machine: machineId, ...finding, points });
      const where = finding.diskId === undefined ? '' : `, disk ${finding.diskId}`;
      events.add(finding.code, `machine ${machineId}${where}: ${finding.object}: ${finding.why}; ${points} points show it`);
    }
  };

  return {
    get damaged() {
      return new Set([...rotten.values()].flat().map(({ object }) => object)).size;
    },
    notVouched: (machineId) => notVouched.get(machineId),
    wake() {
      waking.abort();
      waking = new AbortController();
      if (underWay !== undefined && !isWanted(underWay.machineId)) underWay.ending.abort();
    },
    async keep(stopping) {
      /** By machine, of its last turn. */
      const turns = new Map<string, { readonly at: number; readonly retention: string; readonly sequence: number }>();
      let free = 0;
      while (!stopping.aborted) {
        const awake = waking;
        const machines = options.machines();
        forgetOthers(problems, machines);
        forgetOthers(notVouched, machines);
        forgetOthers(turns, machines);
        const time = now();
        // The clock may have been set back.
        const within = (at: number, longest: number): number => (at - time > longest ? time : at);
        const turnOf = ({ machineId, retention }: Assignment): number => {
          const turn = turns.get(machineId);
          if (turn?.retention !== retention) return 0;
          // What failed is tried again soon.
          const isQuiet = !problems.has(machineId) && (options.anchorOf(machineId)?.sequence ?? 0) - turn.sequence < MANY_SLOTS;
          const pause = isQuiet ? QUIET * options.every : options.every;
          return within(turn.at + pause, pause);
        };
        const next = machines.reduce<Assignment | undefined>(
          (first, machine) => (first !== undefined && turnOf(first) <= turnOf(machine) ? first : machine),
          undefined,
        );
        const gap = gapOf(options.every, machines.length);
        const wait = next === undefined ? options.every : Math.max(turnOf(next), within(free, gap)) - time;
        if (next === undefined || wait > 0) {
          // A machine that was quiet may be so no more.
          await rest(Math.min(wait, options.every), stopping, awake);
          continue;
        }
        const { machineId, retention } = next;
        const sequence = options.anchorOf(machineId)?.sequence ?? 0;
        underWay = { machineId, ending: new AbortController() };
        await keepOne(next, AbortSignal.any([stopping, underWay.ending.signal]));
        underWay = undefined;
        turns.set(machineId, { at: now(), retention, sequence });
        free = now() + gap;
      }
    },
    async scrub(stopping) {
      while (!stopping.aborted) {
        const awake = waking;
        let isBusy = false;
        const machines = options.machines();
        forgetOthers(restUntil, machines);
        for (const machine of machines) {
          if (stopping.aborted) return;
          if (now() < (restUntil.get(machine.machineId) ?? 0)) continue;
          isBusy = (await scrubOne(machine, stopping)) || isBusy;
          await options.sleep(gapOf(options.scrubEvery, machines.length), stopping);
        }
        if (!isBusy) await rest(Math.min(IDLE, options.scrubEvery), stopping, awake);
      }
    },
  };
};
