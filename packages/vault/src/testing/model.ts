// Random lives of a machine and its vault, beside a plain model of what its disks held. Longer than others: each command changes both, and
// whether they say the same is easier to judge where all of them stand side by side.
import { createHash, randomBytes } from 'node:crypto';
import { HoldfastError } from '@holdfast/errors';
import { createMemoryStore, type FaultPlan, type ObjectStore, seededFaults, withFaults } from '@holdfast/object-store';
import { idText } from '@holdfast/protocol';
import fc from 'fast-check';
import { checkMachine } from '../check-machine.ts';
import { compactMachine } from '../compact-machine.ts';
import { type Hold, holdMachine } from '../hold.ts';
import { keepMachine } from '../keep-machine.ts';
import { type KeeperKey, keeperKeyOf } from '../keeper-key.ts';
import { checkKeys } from '../keys/check-keys.ts';
import { addHolder, listHolders, removeHolder } from '../keys/holders.ts';
import { rotateKeys } from '../keys/key-epochs.ts';
import { rekeyVault } from '../keys/rekey.ts';
import { RETENTION_PRESETS, type RetentionRule } from '../retention.ts';
import type { Vault } from '../vault.ts';
import { compareAll } from './compare.ts';
import { fastClock, settled } from './fast-clock.ts';
import { NonceBook } from './nonce-book.ts';
import { TEST_KEY, throughStore } from './open-test-vault.ts';
import { epochOf, type MadeCut, type SimulatedDisk } from './simulated-source.ts';
import { type TestWriter, WriterBench } from './writer-bench.ts';

export const BLOCK = 4096;

/** A fan-in that no life gets to: runs stay as they are. */
export const NEVER = 1000;

/** Keys are changed while others write, keep and read. */
const KEY_CHANGES = ['rotate', 'add', 'remove', 'rekey'] as const;
type KeyChange = (typeof KEY_CHANGES)[number];

export type Step =
  | {
      readonly do: 'write';
      readonly disk: number;
      readonly block: number;
      readonly blocks: number;
      readonly fill: number;
      readonly kind: 'data' | 'zero' | 'unreadable';
    }
  | { readonly do: 'resize'; readonly disk: number; readonly size: number }
  | { readonly do: 'resync'; readonly disk: number; readonly parent: number | undefined; readonly open: boolean }
  | {
      readonly do: 'cut';
      readonly extentsPerFrame: number;
      readonly codec: 'raw' | 'lz4' | 'zstd';
      readonly wait: boolean;
      readonly close: boolean;
      /** Hours by which its time is false, beside what the clock of the source is off. */
      readonly off?: number;
    }
  | { readonly do: 'crash'; readonly after: number; readonly effect: boolean }
  | { readonly do: 'faults'; readonly seed: number }
  | { readonly do: 'second writer' }
  | {
      readonly do: 'keep';
      readonly atLeast: number;
      /** What stays by its age; nothing unless told. */
      readonly rules?: readonly RetentionRule[];
      readonly fanIn: number;
      readonly crash: number | undefined;
      readonly effect: boolean;
      readonly twice: boolean;
    }
  | { readonly do: 'keys'; readonly change: KeyChange; readonly crash: number | undefined; readonly effect: boolean }
  | { readonly do: 'hold'; readonly point: number | undefined }
  | { readonly do: 'release'; readonly hold: number }
  | { readonly do: 'pass'; readonly minutes: number }
  /** A clock is so many hours off from now on. */
  | { readonly do: 'clock'; readonly whose: 'source' | 'store'; readonly hours: number }
  | {
      readonly do: 'compact';
      readonly unitFrames: number;
      readonly fanIn: number;
      readonly crash: number | undefined;
      readonly effect: boolean;
    };

/** Runs at which they are merged: at once, or so late that many are left to be merged after points of them were forgotten. */
const fanIn = fc.constantFrom(2, 3, NEVER);

const HOUR = 3_600_000;

/** Nothing by age, and grids of which each one's distances are whole parts of the next. */
const rules = fc.constantFrom<readonly RetentionRule[]>(
  [],
  [{ every: 0, until: 2 * HOUR }],
  RETENTION_PRESETS['24h'].rules,
  RETENTION_PRESETS['15d'].rules,
);

/** Hours that clocks and times are off: the store's, by less than three days forth, would be taken for time that passed. */
const FALSE_HOURS = [-24 * 365, -24, -1, 0, 1, 24, 24 * 365];
const STORE_HOURS = [-24 * 365, 0, 24 * 365];

/** What time it is truly, and what the clock of the store is off. */
export class SimulatedTime {
  now = Date.UTC(2026, 0, 1);
  storeOff = 0;

  readonly ofStore = (): number => this.now + this.storeOff;
}

/** Half of all that is written cannot be compressed, so that there are parts of a size that is taken over as it is. */
const bytesOf = (fill: number, length: number): Buffer =>
  fill % 2 === 1 ? Buffer.alloc(length, fill) : createHash('shake256', { outputLength: length }).update(String(fill)).digest();

/** All keepers of a life share it: each believes what the others vouch for, and what writers say of the log, and nothing else comes up. */
const keeperKeyFor = ({ id }: Vault): KeeperKey => keeperKeyOf(Buffer.alloc(32, 11), id);

/** A part holds a few blocks. */
const LIMITS = { size: 12_000, entries: 20 };

/** What happens to a machine and its vault, in any order. */
export const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      disk: fc.nat(1),
      // The same few again and again, so that runs hold versions of the same bytes.
      block: fc.oneof({ weight: 2, arbitrary: fc.nat(2) }, { weight: 1, arbitrary: fc.nat(20) }),
      blocks: fc.integer({ min: 1, max: 5 }),
      fill: fc.integer({ min: 1, max: 255 }),
      kind: fc.constantFrom('data' as const, 'data' as const, 'data' as const, 'zero' as const, 'unreadable' as const),
    }),
  },
  {
    weight: 9,
    arbitrary: fc.record({
      do: fc.constant('cut' as const),
      extentsPerFrame: fc.integer({ min: 1, max: 4 }),
      codec: fc.constantFrom('raw' as const, 'lz4' as const, 'zstd' as const),
      wait: fc.boolean(),
      close: fc.boolean(),
      off: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constantFrom(...FALSE_HOURS) }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('resize' as const), disk: fc.nat(1), size: fc.integer({ min: 1, max: 90_000 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('resync' as const),
      disk: fc.nat(1),
      parent: fc.option(fc.nat(10), { nil: undefined }),
      open: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const), after: fc.nat(6), effect: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('faults' as const), seed: fc.nat() }) },
  { weight: 1, arbitrary: fc.constant({ do: 'second writer' as const }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('keep' as const),
      atLeast: fc.integer({ min: 1, max: 4 }),
      rules,
      fanIn,
      crash: fc.option(fc.nat(60), { nil: undefined }),
      effect: fc.boolean(),
      twice: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('keys' as const),
      change: fc.constantFrom(...KEY_CHANGES),
      crash: fc.option(fc.nat(30), { nil: undefined }),
      effect: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('hold' as const), point: fc.option(fc.nat(20), { nil: undefined }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('release' as const), hold: fc.nat(5) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('pass' as const), minutes: fc.constantFrom(1, 20, 60, 3 * 60, 12 * 60, 30 * 60) }) },
  {
    weight: 1,
    arbitrary: fc.oneof(
      fc.record({ do: fc.constant('clock' as const), whose: fc.constant('source' as const), hours: fc.constantFrom(...FALSE_HOURS) }),
      fc.record({ do: fc.constant('clock' as const), whose: fc.constant('store' as const), hours: fc.constantFrom(...STORE_HOURS) }),
    ),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('compact' as const),
      unitFrames: fc.integer({ min: 1, max: 10 }),
      fanIn,
      crash: fc.option(fc.nat(60), { nil: undefined }),
      effect: fc.boolean(),
    }),
  },
);

/** From the `after`-th request on the writer's process is gone; the last request takes effect or not. */
export const crashPlan = (after: number, effect: boolean): FaultPlan => {
  const gone = new HoldfastError('INTERNAL', { thing: 'writer', why: 'its process was killed on purpose', remedy: 'open another one' });
  let requests = 0;
  return () => {
    requests += 1;
    if (requests <= after) return undefined;
    return requests === after + 1 && effect ? { after: gone } : { before: gone };
  };
};

/** Plays the steps against a vault and keeps what must be in it. */
/** A machine, its vault, and what the vault has to hold. */
export class Model {
  readonly bench: WriterBench;
  readonly cuts: MadeCut[] = [];
  readonly durable = new Set<string>();
  /** Points that went though something stays by its age. */
  forgottenByAge = 0;
  readonly #time: SimulatedTime;
  #sourceOff = 0;
  /** By point, when it was made, truly. */
  readonly #made = new Map<string, number>();
  /** Hours, or days, by the times of points, of which the last thinning had to leave one. */
  #places: readonly { readonly every: number; readonly place: number }[] = [];
  #writer: TestWriter | undefined;
  #appends: Promise<void>[] = [];
  /** Before this cut points may be missing: they were thinned. What is sent again begins here. */
  #thinnedTo = 0;
  /** Points of the last thinning that had to stay. */
  #kept: readonly string[] = [];
  readonly #open = new Set<SimulatedDisk>();
  /** Generations that begin on a state of a cut, with a cut that may not be made yet; both by their places. */
  readonly #begins: { readonly on: number; readonly cut: number }[] = [];
  readonly #holds: (Hold & { readonly points: readonly string[] })[] = [];

  readonly #segmentSize: number;
  readonly #checkpoint: { readonly slots: number };

  constructor(bench: WriterBench, segmentSize: number, checkpointSlots: number, time = new SimulatedTime()) {
    this.bench = bench;
    this.#time = time;
    this.#segmentSize = segmentSize;
    this.#checkpoint = { slots: checkpointSlots };
  }

  async play(steps: readonly Step[]): Promise<void> {
    for (const step of steps) await this.#step(step);
    await this.#quiet();
  }

  /** A fresh writer is given everything once more, as an agent would that never heard of anything durable. */
  async finish(): Promise<void> {
    const { writer } = await this.bench.open({ checkpoint: this.#checkpoint });
    for (const { content } of this.cuts.slice(this.#thinnedTo)) await writer.append(content);
  }

  /** What must hold at any time: the log is a prefix of what was made, with all that was called durable in it. */
  async verify(): Promise<string | undefined> {
    const history = await this.bench.read();
    if (history.damage.length > 0) return `damage: ${history.damage[0]!.why}`;
    const inLog = new Set([...history.generations.values()].flatMap(({ epochs }) => epochs.map(({ epoch }) => idText(epoch.cutId))));
    const cuts = this.cuts.slice(this.#thinnedTo);
    const end = cuts.findLastIndex(({ cut }) => inLog.has(idText(cut.id))) + 1;
    for (const { cut } of cuts)
      if (this.durable.has(idText(cut.id)) && !inLog.has(idText(cut.id))) return 'a durable cut is not in the log';
    for (const { cut } of cuts.slice(0, end)) if (!inLog.has(idText(cut.id))) return 'the log has a gap';
    const points = cuts.slice(0, end).flatMap(({ pointId }) => pointId ?? []);
    const found = history.points.map(({ id }) => id);
    const older = found.slice(0, found.length - points.length);
    if (points.join() !== found.slice(older.length).join()) return 'the points are others';
    const before = this.cuts.slice(0, this.#thinnedTo).flatMap(({ pointId }) => pointId ?? []);
    if (before.filter((id) => older.includes(id)).join() !== older.join()) return 'older points are others';
    if (this.#kept.some((id) => !found.includes(id))) return 'a point is missing that had to stay';
    for (const { every, place } of this.#places)
      if (!history.points.some(({ time }) => Math.floor(time / every) === place))
        return `no point is left of ${new Date(place * every).toISOString()}`;
    for (const hold of this.#holds) {
      const wrong = await compareAll(hold.history, this.cuts).catch((reason: Error) => reason.message);
      if (wrong !== undefined) return `what a reader holds: ${wrong}`;
    }
    const report = await checkMachine(history);
    if (report.findings.length > 0) return `check: ${report.findings[0]!.why}`;
    const keys = await checkKeys(await throughStore(this.bench.store));
    if (keys.length > 0) return `keys: ${keys[0]!.why}`;
    return compareAll(history, this.cuts);
  }

  async #step(step: Step): Promise<void> {
    const { source } = this.bench;
    switch (step.do) {
      case 'write':
        return this.#change(source.disks[step.disk]!, step);
      case 'resize':
        return source.resize(source.disks[step.disk]!, step.size);
      case 'resync':
        return this.#resync(source.disks[step.disk]!, step);
      case 'cut': {
        if (step.close) this.#open.clear();
        const time = this.#time.now + (this.#sourceOff + (step.off ?? 0)) * HOUR;
        const made = await source.cut({ open: [...this.#open], packing: step, time });
        if (made.pointId !== undefined) this.#made.set(made.pointId, this.#time.now);
        this.cuts.push(made);
        return this.#append(step.wait);
      }
      case 'crash':
        if (this.#writer !== undefined) this.#writer.plan = crashPlan(step.after, step.effect);
        return;
      case 'faults':
        if (this.#writer !== undefined) this.#writer.plan = seededFaults(step.seed, { before: 0.2, after: 0.2 });
        return;
      case 'compact':
        await this.#quiet();
        await settled();
        return this.compact(step);
      case 'keys':
        return this.#changeKeys(step);
      case 'keep':
        await this.#quiet();
        await settled();
        await this.keep(step);
        return;
      case 'hold':
        await this.#quiet();
        return this.#hold(step.point);
      case 'release': {
        const [released] = this.#holds.splice(step.hold % (this.#holds.length || 1), 1);
        return released?.release();
      }
      case 'pass':
        await this.#releaseAll();
        this.#time.now += step.minutes * 60_000;
        return;
      case 'clock':
        await this.#releaseAll();
        if (step.whose === 'source') this.#sourceOff = step.hours;
        else this.#time.storeOff = step.hours * HOUR;
        return;
      case 'second writer': {
        // The first one goes on with what it was given, unaware.
        const { writer } = await this.bench.open({ checkpoint: this.#checkpoint });
        for (const { content, cut } of this.cuts.slice(this.#thinnedTo)) this.#track(writer.append(content), cut);
        return;
      }
    }
  }

  /** By an operator, whose command may be killed; the key that everybody here has stays a holder's. */
  async #changeKeys({ change, crash, effect }: Omit<Extract<Step, { do: 'keys' }>, 'do'>): Promise<void> {
    try {
      // Killed in the command, not while it opens the vault.
      let plan: FaultPlan = () => undefined;
      const vault = await throughStore(withFaults(this.bench.store, (call) => plan(call)));
      if (crash !== undefined) plan = crashPlan(crash, effect);
      const other = (await listHolders(vault)).find(({ own }) => !own);
      if (change === 'rotate') await rotateKeys(vault);
      else if (change === 'add') await addHolder(vault, { kind: 'key-file', secret: randomBytes(32) });
      else if (change === 'rekey') await rekeyVault(vault, [{ key: TEST_KEY }]);
      else if (other !== undefined) await removeHolder(vault, other.id);
    } catch (reason) {
      if (!(reason instanceof HoldfastError) || reason.code !== 'INTERNAL') throw reason;
    }
  }

  /** By somebody else, who may die of it. */
  async compact({ unitFrames, fanIn, crash, effect }: Omit<Extract<Step, { do: 'compact' }>, 'do'>): Promise<void> {
    const store = crash === undefined ? this.bench.store : withFaults(this.bench.store, crashPlan(crash, effect));
    try {
      const vault = await throughStore(store);
      await compactMachine(vault, this.bench.source.machineId, {
        unitFrames,
        limits: LIMITS,
        fanIn,
        minCuts: 1,
        clock: fastClock,
        keeperKey: keeperKeyFor(vault),
      });
    } catch (reason) {
      if (!(reason instanceof HoldfastError) || reason.code !== 'INTERNAL') throw reason;
    }
  }

  /** Merges the runs that there are, two at a time and one merge after the other; false when there is nothing left to merge. */
  async merge(): Promise<boolean> {
    const { vault, source } = this.bench;
    const once = { limits: LIMITS, fanIn: 2, minCuts: NEVER, steps: 1, clock: fastClock, keeperKey: keeperKeyFor(vault) };
    return (await compactMachine(vault, source.machineId, once)).published > 0;
  }

  /** What a reader needs for a while, and perhaps a point that shall not be forgotten. */
  async #hold(chosen: number | undefined): Promise<void> {
    const { vault, source } = this.bench;
    const { points } = await this.bench.read();
    const point = chosen === undefined || points.length === 0 ? undefined : points[chosen % points.length]!.id;
    const hold = await holdMachine(vault, source.machineId, { reason: 'the model', clock: fastClock, ...(point && { points: [point] }) });
    this.#holds.push({ ...hold, points: point === undefined ? [] : [point] });
  }

  /** Holds last for a time by the clock of the store. */
  async #releaseAll(): Promise<void> {
    for (const hold of this.#holds.splice(0)) await hold.release();
  }

  /** By one or two keepers who forget and delete what they can at once, and may die of it; true when none did. */
  async keep({ atLeast, rules = [], fanIn, crash, effect, twice }: Omit<Extract<Step, { do: 'keep' }>, 'do'>): Promise<boolean> {
    const { points, catalogue, generations } = await this.bench.read();
    if (catalogue === undefined) return true;
    let survived = true;
    const newest = points.slice(-atLeast).map(({ id }) => id);
    const pinned = points.length > 0 ? [points[Math.floor(points.length / 2)]!.id] : [];
    // What the log has now goes on from its newest cut; that, and all behind it, is sent again if at all.
    const inLog = new Set([...generations.values()].flatMap(({ epochs }) => epochs.map(({ epoch }) => idText(epoch.cutId))));
    this.#thinnedTo = Math.max(
      this.#thinnedTo,
      this.cuts.findLastIndex(({ cut }) => inLog.has(idText(cut.id))),
    );
    // A state that is thinned before the log knows what begins on it is refused to the sender, who then begins anew: not here.
    const suspended = this.#begins.some(({ on, cut }) => on < this.#thinnedTo && cut > this.#thinnedTo);
    // No point is taken for older than it truly is, whatever times are told.
    const ageOf = (id: string): number => this.#time.now - this.#made.get(id)!;
    const young = points.filter(({ id }) => rules.some(({ every, until }) => every === 0 && ageOf(id) <= until));
    this.#places = rules.flatMap(({ every, until }) =>
      every === 0 ? [] : points.filter(({ id }) => ageOf(id) <= until).map(({ time }) => ({ every, place: Math.floor(time / every) })),
    );
    this.#kept = [...newest, ...pinned, ...young.map(({ id }) => id), ...this.#holds.flatMap((hold) => hold.points)];
    const keeper = async (store: ObjectStore): Promise<void> => {
      const options = { policy: { rules, atLeast }, keep: pinned, thinAtOnce: 1, grace: 0, suspended };
      try {
        const vault = await throughStore(store);
        const { thinned } = await keepMachine(vault, this.bench.source.machineId, {
          ...options,
          keeperKey: keeperKeyFor(vault),
          limits: LIMITS,
          minCuts: 1,
          unitFrames: 4,
          fanIn,
          clock: fastClock,
        });
        if (rules.length > 0) this.forgottenByAge += thinned;
      } catch (reason) {
        survived = false;
        // Of two keepers without any grace one may find gone what the other one deleted.
        if (!(reason instanceof HoldfastError) || !['INTERNAL', ...(twice ? ['DAMAGED'] : [])].includes(reason.code)) throw reason;
      }
    };
    const { store } = this.bench;
    await Promise.all([keeper(crash === undefined ? store : withFaults(store, crashPlan(crash, effect))), twice && keeper(store)]);
    return survived;
  }

  #change(disk: SimulatedDisk, { block, blocks, fill, kind }: Extract<Step, { do: 'write' }>): void {
    const offset = (block * BLOCK) % disk.content.length;
    const start = offset - (offset % BLOCK);
    const length = Math.min(blocks * BLOCK, disk.content.length - start);
    this.bench.source.change(disk, { offset: start, length, kind, ...(kind === 'data' && { data: bytesOf(fill, length) }) });
  }

  #resync(disk: SimulatedDisk, { parent, open }: Extract<Step, { do: 'resync' }>): void {
    const candidates = this.cuts.slice(this.#thinnedTo);
    const base = parent === undefined ? undefined : candidates[parent % (candidates.length || 1)];
    if (base !== undefined) this.#begins.push({ on: this.cuts.indexOf(base), cut: this.cuts.length });
    if (base === undefined) this.bench.source.startGeneration(disk);
    else this.bench.source.startGeneration(disk, epochOf(base, disk), base.expected.get(disk.id)!);
    if (open) this.#open.add(disk);
    else this.#open.delete(disk);
  }

  async #append(wait: boolean): Promise<void> {
    try {
      this.#writer ??= await this.bench.open({ inFlight: 3, segmentSize: this.#segmentSize, checkpoint: this.#checkpoint });
      const { writer } = this.#writer;
      for (const { content, cut } of this.cuts.slice(this.#thinnedTo)) this.#track(writer.append(content), cut);
    } catch (reason) {
      if (!(reason instanceof HoldfastError)) throw reason;
    }
    if (wait) await this.#quiet();
  }

  #track(append: Promise<unknown>, cut: MadeCut['cut']): void {
    const outcome = append.then(
      () => void this.durable.add(idText(cut.id)),
      (reason: unknown) => {
        // Fenced or killed: somebody opens the next one.
        if (!(reason instanceof HoldfastError) || !['FENCED', 'INTERNAL'].includes(reason.code)) throw reason;
        this.#writer = undefined;
      },
    );
    outcome.catch(() => {});
    this.#appends.push(outcome);
  }

  /** The same again over a copy of its vault, which goes its own way. Nothing is under way. */
  async fork(): Promise<Model> {
    const store = createMemoryStore();
    for await (const { name } of this.bench.store.list('')) await store.create(name, await this.bench.store.read(name));
    const copy = new Model(new WriterBench(this.bench.source, store, await throughStore(store)), this.#segmentSize, this.#checkpoint.slots);
    copy.cuts.push(...this.cuts);
    for (const id of this.durable) copy.durable.add(id);
    return copy;
  }

  /** Nothing is under way any more, and what a writer publishes on the side is there. */
  async rest(): Promise<void> {
    await this.#quiet();
    await settled();
    await this.bench.close();
    this.#writer = undefined;
  }

  async #quiet(): Promise<void> {
    await Promise.all(this.#appends.splice(0));
  }
}

/** What a life went through. */
export interface Life {
  readonly points: number;
  readonly catalogues: number;
  readonly runs: number;
  /** Merges at its end, after points were forgotten. */
  readonly merges: number;
  readonly thinned: number;
  /** Of these by a keeper that leaves some by their age. */
  readonly aged: number;
  readonly nonces: number;
}

/** A life of any kind: at its end everything is compacted and thinned, and compared after each step of that. Rejects with what is wrong. */
export const liveThrough = async (steps: readonly Step[], segmentSize: number, checkpointSlots: number): Promise<Life> => {
  const book = new NonceBook();
  const time = new SimulatedTime();
  const bench = await WriterBench.create([40_000, 16 * BLOCK], book.over(createMemoryStore({ now: time.ofStore })));
  const model = new Model(bench, segmentSize, checkpointSlots, time);
  const check = async (when: string): Promise<void> => {
    const wrong = await model.verify();
    if (wrong !== undefined) throw new Error(`${when}: ${wrong}`);
  };
  await model.play(steps);
  await check('after its steps');
  await model.finish();
  await settled();
  await model.compact({ unitFrames: 2, fanIn: NEVER, crash: undefined, effect: false });
  await check('compacted');
  const calm = { fanIn: NEVER, crash: undefined, effect: false, twice: false } as const;
  await model.keep({ atLeast: 2, rules: RETENTION_PRESETS['24h'].rules, ...calm });
  await check('kept by age');
  await model.keep({ atLeast: 2, ...calm });
  await check('kept');
  const runs = (await bench.objects('runs/')).length;
  const points = model.cuts.filter(({ pointId }) => pointId !== undefined).length;
  const thinned = points - (await bench.read()).points.length;
  // What only forgotten points needed goes when runs are merged: of versions side by side the newest one that is seen stays.
  let merges = 0;
  for (; await model.merge(); merges += 1) await check('merged');
  if (book.repeated.length > 0) throw new Error(`key and nonce repeat: ${book.repeated.join()}`);
  const life: Life = {
    points,
    catalogues: (await bench.objects('catalogue/')).length,
    runs,
    merges: thinned > 0 ? merges : 0,
    thinned,
    aged: model.forgottenByAge,
    nonces: book.size,
  };
  await bench.close();
  return life;
};

const TROUBLES: readonly Step['do'][] = ['crash', 'faults', 'second writer', 'keep', 'keys', 'compact'];

const livesOf = (any: fc.Arbitrary<Step>) =>
  fc.tuple(
    // Of all lengths: half of them would have hardly two points otherwise.
    fc.array(any, { minLength: 1, maxLength: 40, size: 'max' }),
    fc.constantFrom(2000, 10_000, 2 ** 23),
    fc.constantFrom(1, 1, 2, 5, 1000),
  );

/** Any life. */
export const lives = livesOf(step);

/** Lives in which something goes wrong, or is done by somebody else, at every other step. */
export const troubledLives = livesOf(
  fc.oneof(
    step,
    step.filter(({ do: what }) => TROUBLES.includes(what)),
  ),
);
