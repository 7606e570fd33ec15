import { setTimeout as sleep } from 'node:timers/promises';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Log } from '@holdfast/daemon';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import type { AdaptMachine, discardRecovery, Fabric, RecoveredMachine, recoverMachine } from '@holdfast/fabric';
import { idBytes, RecoveryGoal, RecoveryKind, type RecoveryReportSchema, RecoveryStage } from '@holdfast/protocol';
import type { Vaults } from '../upload/vaults.ts';
import { assertNetwork } from './assert-network.ts';
import { fence, isReleased, release } from './fence.ts';
import { holdPoint, letGo } from './holds.ts';
import { machineTarget } from './machine-target.ts';
import { lost, notCopied } from './recovery-errors.ts';
import { DONE_WORDS, STEP_WORDS } from './recovery-words.ts';
import { describeStarted, type Started, startOnce } from './start-requests.ts';
import { shallRun, type Wanted } from './wanted.ts';

/** What starts machines; `@holdfast/fabric` but for specs. */
export interface Recoverer {
  readonly recoverMachine: typeof recoverMachine;
  readonly discardRecovery: typeof discardRecovery;
}

export interface RecoveryWorkerOptions {
  readonly vaults: Pick<Vaults, 'open'>;
  /** The fabric of that name. Errors: FABRIC_FAILED or UNSUPPORTED_OPERATION when this server has none. */
  readonly fabric: (name: string) => Fabric;
  readonly recoverer: Recoverer;
  /** Of all recoveries: the fabric's library keeps a directory for each run there. */
  readonly directory: string;
  /** Runs of this recovery that may have left something, and where that is written down. */
  readonly runs: readonly string[];
  noteRuns(runs: readonly string[]): Promise<void>;
  /** The point at which it fenced the source before, empty where it is not known which, and where that is written down. */
  readonly fencedAt: string | undefined;
  noteFenced(pointId: string): Promise<void>;
  /** The newest request to switch it on that was carried out, and where that is written down. */
  readonly started: Started | undefined;
  noteStarted(started: Started): Promise<void>;
  /** Makes what is on the disks start on the fabric; nothing unless given. */
  readonly adaptationOf?: (wanted: Wanted) => AdaptMachine;
  readonly log: Log;
  /** Called whenever the report is another one. */
  onChange(): void;
  /** Milliseconds between looks at a running machine, and between first attempts. */
  readonly look?: number;
  readonly pause?: number;
}

/** Brings one recovery where it is wanted, from wherever it stands, and keeps it there. */
export interface RecoveryWorker {
  readonly wanted: Wanted;
  /** Where it stands. */
  readonly report: MessageInitShape<typeof RecoveryReportSchema>;
  /** It is wanted to be gone, and is. */
  readonly isGone: boolean;
  want(wanted: Wanted): void;
  /** Stops working; what runs goes on. */
  close(): Promise<void>;
}

const LOOK = 3000;
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 60_000;

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }));

const text = (value: unknown): string => JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? String(part) : part));

class Worker implements RecoveryWorker {
  readonly #options: RecoveryWorkerOptions;
  wanted: Wanted;
  #runs: readonly string[];
  #machine: RecoveredMachine | undefined;
  #hydration: { readonly done: Promise<void>; readonly stop: AbortController } | undefined;
  #stage: RecoveryStage = RecoveryStage.WORKING;
  #detail = '';
  #fraction = -1;
  #problem: HoldfastError | undefined;
  #running: MessageInitShape<typeof RecoveryReportSchema>['machine'];
  #turn = new AbortController();
  #news = Promise.withResolvers<void>();
  #closed = false;
  #started: Started | undefined;
  #starting: Promise<void> = Promise.resolve();
  #fencedAt: string | undefined;
  readonly #work: Promise<void>;

  constructor(wanted: Wanted, options: RecoveryWorkerOptions) {
    this.wanted = wanted;
    this.#options = options;
    this.#runs = options.runs;
    this.#fencedAt = options.fencedAt;
    this.#started = options.started;
    this.#work = this.#run();
  }

  get report(): MessageInitShape<typeof RecoveryReportSchema> {
    const { id, runId, goal, kind, machineId, vault, pointId, pointTime, target, attempt, commitCancelled } = this.wanted;
    const problem = this.#problem;
    return {
      id: idBytes(id),
      runId: idBytes(runId),
      goal,
      kind,
      machineId: idBytes(machineId),
      vault,
      pointId: idBytes(pointId),
      pointUnixMillis: BigInt(pointTime),
      target,
      attempt: BigInt(attempt),
      commitCancelled,
      ...describeStarted(this.#started),
      stage: this.#stage,
      detail: this.#detail,
      fraction: this.#fraction,
      ...(problem !== undefined && { problemCode: problem.code, problem: `${problem.thing}: ${problem.why}`, remedy: problem.remedy }),
      ...(this.#running !== undefined && { machine: this.#running }),
    };
  }

  get isGone(): boolean {
    const { goal } = this.wanted;
    return (goal === RecoveryGoal.RELEASED || goal === RecoveryGoal.FORGOTTEN) && this.#stage === RecoveryStage.REACHED;
  }

  want(wanted: Wanted): void {
    const before = this.wanted;
    const isSame = before.goal === wanted.goal && before.runId === wanted.runId && before.pointId === wanted.pointId;
    this.wanted = wanted;
    if (isSame) {
      if (before.commitCancelled !== wanted.commitCancelled) this.#options.onChange();
      this.#startAsAsked();
      return;
    }
    this.#stage = RecoveryStage.WORKING;
    this.#problem = undefined;
    this.#interrupt('something else is wanted');
    this.#options.onChange();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#interrupt('this server stops');
    await this.#work;
    await this.#starting;
    await this.#endHydration();
    await this.#machine?.close();
  }

  #interrupt(why: string): void {
    this.#turn.abort(new HoldfastError('INTERRUPTED', { thing: `recovery ${this.wanted.id}`, why, remedy: 'nothing' }));
    this.#news.resolve();
  }

  #say(detail: string, fraction = -1): void {
    if (this.#detail === detail && this.#fraction === fraction) return;
    this.#detail = detail;
    this.#fraction = fraction;
    this.#options.onChange();
  }

  #settle(stage: RecoveryStage, problem?: HoldfastError): void {
    this.#stage = stage;
    this.#problem = problem;
    this.#options.onChange();
  }

  async #run(): Promise<void> {
    const { log, pause: first = FIRST_PAUSE } = this.#options;
    let pause = first;
    while (!this.#closed) {
      this.#turn = new AbortController();
      this.#news = Promise.withResolvers();
      const { signal } = this.#turn;
      const { wanted } = this;
      try {
        await this.#bring(wanted, signal);
        if (signal.aborted) continue;
        pause = first;
        this.#say(DONE_WORDS[wanted.goal] ?? '', 1);
        this.#settle(RecoveryStage.REACHED);
        this.#startAsAsked();
        await this.#watch(signal);
      } catch (reason) {
        if (signal.aborted) continue;
        const error = fromSystem(reason, `recovery of machine ${wanted.machineName}`);
        log.warn('A recovery does not come further', { recovery: wanted.id, machine: wanted.machineId, error });
        // A machine that runs goes on while its disks are tried again; to give that up is for people to say.
        const isTriedAgain = error.retryable || wanted.goal === RecoveryGoal.INDEPENDENT;
        this.#settle(isTriedAgain ? RecoveryStage.WORKING : RecoveryStage.FAILED, error);
        if (isTriedAgain) await sleep(pause, undefined, { signal }).catch(() => undefined);
        else await this.#news.promise;
        pause = Math.min(2 * pause, LONGEST_PAUSE);
      }
    }
  }

  async #bring(wanted: Wanted, signal: AbortSignal): Promise<void> {
    const { goal, kind, runId } = wanted;
    // What is being switched on behind the back of its removal would run on beside a source that was released.
    await this.#starting;
    signal.throwIfAborted();
    if (goal === RecoveryGoal.FORGOTTEN) return this.#leave(wanted);
    const runs = shallRun(goal);
    const isFailover = kind === RecoveryKind.FAILOVER;
    const vault = await this.#options.vaults.open(wanted.vault);
    await this.#discardOthers(wanted, runs ? runId : undefined, vault);
    signal.throwIfAborted();
    if (goal === RecoveryGoal.RELEASED) {
      if (isFailover) {
        this.#say('the source is being released');
        await release(vault, wanted, signal);
      }
      await letGo(vault, wanted);
      return;
    }
    if (goal === RecoveryGoal.DISCARDED) return;
    // Committed, and nothing is known of it here: to begin it anew would fence a source that may be protected again, and start a second machine.
    if (goal === RecoveryGoal.INDEPENDENT && this.#fencedAt === undefined && !this.#runs.includes(runId)) throw lost(wanted);
    // What can never run is refused before anything of the source is touched.
    const { network } = machineTarget(wanted.target, !isFailover);
    const fabric = this.#options.fabric(wanted.target.fabric);
    if (this.#fencedAt === undefined && !this.#runs.includes(wanted.runId)) await assertNetwork(fabric, network);
    if (goal !== RecoveryGoal.INDEPENDENT) {
      this.#say('the point is being held');
      await holdPoint(vault, wanted);
      signal.throwIfAborted();
    }
    // Of a failover that was committed the source may be protected again since: the machine stays what it is.
    const isFree = goal === RecoveryGoal.INDEPENDENT && this.#fencedAt !== undefined && (await isReleased(vault, wanted));
    if (isFailover && goal !== RecoveryGoal.HELD && !isFree) {
      this.#say('the source is being fenced');
      await fence(vault, wanted, this.#fencedAt, signal);
      if (this.#fencedAt !== wanted.pointId) {
        this.#fencedAt = wanted.pointId;
        await this.#options.noteFenced(wanted.pointId);
      }
    }
    if (goal !== RecoveryGoal.INDEPENDENT) await letGo(vault, wanted, wanted.pointId);
    signal.throwIfAborted();
    if (!runs) return;
    await this.#start(wanted, vault, signal);
    if (goal !== RecoveryGoal.INDEPENDENT) return;
    this.#say('the disks are being copied');
    await Promise.race([this.#hydrate(), aborted(signal)]);
    await letGo(vault, wanted);
  }

  /** Somebody wants it switched on; done once, however often that is told. What has not begun yet does it behind that. */
  #startAsAsked(): void {
    const { startRequest, goal, runId } = this.wanted;
    const machine = this.#machine;
    const isDone = (): boolean => startRequest === '' || (startRequest === this.#started?.request && this.#started.begun !== true);
    if (isDone() || !shallRun(goal) || machine?.operationId !== runId) return;
    const { log, noteStarted, onChange } = this.#options;
    this.#starting = this.#starting.then(async () => {
      if (isDone() || startRequest !== this.wanted.startRequest || this.#closed) return;
      const started = await startOnce({
        request: startRequest,
        machineName: this.wanted.machineName,
        before: this.#started,
        isOn: async () => (await machine.status()).machine.state !== 'off',
        start: () => machine.start().then(() => this.#look()),
        note: noteStarted,
      });
      const { problem } = started;
      if (problem !== undefined) log.warn('A recovered machine could not be switched on', { recovery: this.wanted.id, ...problem });
      await noteStarted(started).catch((error: unknown) => log.warn('It could not be noted that a machine was switched on', { error }));
      this.#started = started;
      onChange();
    });
  }

  /** It stays as it is, its owner's from now on. */
  async #leave(wanted: Wanted): Promise<void> {
    const machine = this.#machine;
    // After a restart of this server nothing was opened of it.
    const status =
      machine === undefined ? await this.#options.fabric(wanted.target.fabric).status(wanted.runId) : (await machine.status()).machine;
    if (status?.disks.some(({ hydrated }) => !hydrated)) throw notCopied(wanted);
    await this.#endHydration();
    await machine?.close();
    this.#machine = undefined;
    this.#running = undefined;
  }

  /** Ends what other runs than `kept` have made. */
  async #discardOthers({ target, id }: Wanted, kept: string | undefined, vault: Awaited<ReturnType<Vaults['open']>>): Promise<void> {
    const { recoverer, directory, fabric } = this.#options;
    const machine = this.#machine;
    if (machine !== undefined && machine.operationId !== kept) {
      this.#say('the machine is being removed');
      await this.#endHydration();
      await machine.discard();
      this.#machine = undefined;
      this.#running = undefined;
    }
    for (const run of this.#runs.filter((one) => one !== kept)) {
      if (machine?.operationId !== run) {
        this.#options.log.info('What is left of an earlier attempt is removed', { recovery: id, run });
        await recoverer.discardRecovery({ fabric: fabric(target.fabric), directory, operationId: run, vault });
      }
      await this.#note(this.#runs.filter((one) => one !== run));
    }
  }

  async #note(runs: readonly string[]): Promise<void> {
    this.#runs = runs;
    await this.#options.noteRuns(runs);
  }

  async #start(wanted: Wanted, vault: Awaited<ReturnType<Vaults['open']>>, signal: AbortSignal): Promise<void> {
    if (this.#machine !== undefined) return;
    const isTest = wanted.kind === RecoveryKind.TEST;
    const { network, hardware } = machineTarget(wanted.target, isTest);
    const { recoverer, directory, adaptationOf, log } = this.#options;
    if (!this.#runs.includes(wanted.runId)) await this.#note([...this.#runs, wanted.runId]);
    this.#machine = await recoverer.recoverMachine({
      vault,
      machineId: wanted.machineId,
      pointId: wanted.pointId,
      fabric: this.#options.fabric(wanted.target.fabric),
      operationId: wanted.runId,
      directory,
      network,
      hardware,
      name: isTest ? `${wanted.machineName}-test` : wanted.machineName,
      ...(adaptationOf !== undefined && { adapt: adaptationOf(wanted) }),
      onProgress: (step) => this.#say(STEP_WORDS[step]),
      onTrouble: (error) => {
        log.warn('A recovered machine waits', { recovery: wanted.id, error });
        this.#problem = error;
        this.#options.onChange();
      },
      signal,
    });
    await this.#look(Date.now());
    // Behind its back; a test is gone before that would pay.
    if (!isTest) this.#hydrate().catch(() => undefined);
  }

  /** Copies the disks; joins what is under way. */
  #hydrate(): Promise<void> {
    if (this.#hydration === undefined) {
      const stop = new AbortController();
      const onProgress = (done: number, total: number): void => {
        if (this.wanted.goal === RecoveryGoal.INDEPENDENT) this.#say('the disks are being copied', total === 0 ? 1 : done / total);
      };
      const done = this.#machine!.hydrate({ onProgress, signal: stop.signal }).finally(() => {
        this.#hydration = undefined;
      });
      done.catch((error: unknown) => this.#options.log.warn('Disks of a recovered machine are not copied further', { error }));
      this.#hydration = { done, stop };
    }
    return this.#hydration.done;
  }

  async #endHydration(): Promise<void> {
    this.#hydration?.stop.abort();
    await this.#hydration?.done.catch(() => undefined);
  }

  /** Looks after a machine that runs until something else is wanted. */
  async #watch(signal: AbortSignal): Promise<void> {
    const { look = LOOK } = this.#options;
    while (!signal.aborted && this.#machine !== undefined) {
      await sleep(look, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      await this.#look().catch((reason: unknown) => {
        this.#settle(this.#stage, fromSystem(reason, `machine ${this.wanted.machineName}`));
      });
    }
    if (!signal.aborted) await this.#news.promise;
  }

  async #look(started?: number): Promise<void> {
    const machine = this.#machine;
    if (machine === undefined) return;
    const { machine: status, trouble, adaptation } = await machine.status();
    const total = status.disks.reduce((sum, { size }) => sum + size, 0);
    const done = status.disks.reduce((sum, disk) => sum + (disk.hydrated ? disk.size : (disk.hydrating ?? 0)), 0);
    const console = await machine.console();
    const pause = status.pause === undefined ? '' : `: ${status.pause}`;
    const before = text([this.#running, this.#problem?.message]);
    this.#running = {
      state: status.state === 'off' ? 'stopped' : `${status.state}${pause}`,
      console: console.log,
      addresses: [],
      adaptation: [...adaptation],
      hydrated: total === 0 ? 1 : done / total,
      startedUnixMillis: this.#running?.startedUnixMillis ?? BigInt(started ?? Date.now()),
    };
    this.#problem = trouble;
    if (before !== text([this.#running, trouble?.message])) this.#options.onChange();
  }
}

/** Begins at once. */
export const createRecoveryWorker = (wanted: Wanted, options: RecoveryWorkerOptions): RecoveryWorker => new Worker(wanted, options);
