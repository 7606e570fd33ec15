// A small model checker: runs a scenario again and again until every order in which a store can serve its actors was tried.
import type { ObjectInfo, ObjectRange, ObjectStore } from '@holdfast/object-store';

interface Request {
  /** The same in every run with the same orders before. */
  readonly id: string;
  readonly actor: string;
  readonly kind: 'create' | 'look';
  readonly name: string;
}

interface HeldRequest extends Request {
  readonly serve: () => Promise<void>;
}

/**
 * Objects never change, so what finds an object that is there gets the same answer at any later time: it is served at once, and so is what is about an
 * object that no two actors care for. What remains to be tried are the orders of requests that find nothing yet, and of those only such as differ for
 * somebody: two requests commute when they are about different objects, or create none, and don't answer one actor out of turn.
 */
const commute = (a: Request, b: Request): boolean => (a.kind === 'look' && b.kind === 'look') || (a.name !== b.name && a.actor !== b.actor);

/** Holds the requests of all actors back and serves them one at a time. */
class Scheduler {
  readonly held: HeldRequest[] = [];
  readonly #isContested: (name: string) => boolean;
  readonly #counts = new Map<string, number>();
  /** Who asked for an object that is not contested. */
  readonly #owners = new Map<string, string>();

  constructor(isContested: (name: string) => boolean) {
    this.#isContested = isContested;
  }

  /** True when it makes no difference when the request is served. */
  isTimeless(actor: string, name: string): boolean {
    if (this.#isContested(name)) return false;
    const owner = this.#owners.get(name) ?? actor;
    if (owner !== actor) throw new Error(`${name} was said not to be contested, and ${owner} and ${actor} ask for it`);
    this.#owners.set(name, actor);
    return true;
  }

  hold<T>(actor: string, kind: Request['kind'], name: string, effect: () => Promise<T>): Promise<T> {
    const count = (this.#counts.get(actor) ?? 0) + 1;
    this.#counts.set(actor, count);
    return new Promise((resolve, reject) => {
      const serve = (): Promise<void> => effect().then(resolve, reject);
      this.held.push({ id: `${actor} ${count}: ${kind} ${name}`, actor, kind, name, serve });
    });
  }

  async serve(id: string): Promise<Request> {
    const index = this.held.findIndex((request) => request.id === id);
    if (index < 0) throw new Error(`the scenario is not deterministic: ${id} is missing`);
    const [request] = this.held.splice(index, 1);
    await request!.serve();
    await quiet();
    return request!;
  }
}

/** What actors do between two requests takes microtasks only. */
export const quiet = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

class HeldStore implements ObjectStore {
  readonly url = 'held:';
  readonly #inner: ObjectStore;
  readonly #scheduler: Scheduler;
  readonly #actor: string;

  constructor(inner: ObjectStore, scheduler: Scheduler, actor: string) {
    this.#inner = inner;
    this.#scheduler = scheduler;
    this.#actor = actor;
  }

  create(name: string, content: Uint8Array): Promise<void> {
    return this.#orAtOnce('create', name, () => this.#inner.create(name, content));
  }

  read(name: string, range?: ObjectRange): Promise<Uint8Array> {
    return this.#orAtOnce('look', name, () => this.#inner.read(name, range));
  }

  stat(name: string): Promise<ObjectInfo> {
    return this.#orAtOnce('look', name, () => this.#inner.stat(name));
  }

  list(prefix: string): AsyncIterable<ObjectInfo> {
    return this.#inner.list(prefix);
  }

  delete(name: string): Promise<void> {
    return this.#inner.delete(name);
  }

  async close(): Promise<void> {}

  async #orAtOnce<T>(kind: Request['kind'], name: string, effect: () => Promise<T>): Promise<T> {
    const isThere = await this.#inner.stat(name).then(
      () => true,
      () => false,
    );
    return isThere || this.#scheduler.isTimeless(this.#actor, name) ? effect() : this.#scheduler.hold(this.#actor, kind, name, effect);
  }
}

/** One run: `store` gives an actor its store, `begin` sets all actors going, `end` judges when nobody waits any more. */
export interface Scenario {
  /** Says of an object whether more than one actor may ask for it before it is there. */
  isContested(name: string): boolean;
  begin(store: (actor: string) => ObjectStore): Promise<void>;
  /** What is wrong, if anything. */
  end(): Promise<string | undefined>;
}

export interface Exploration {
  /** Orders tried to their end. */
  readonly orders: number;
  /** The first thing that was wrong, with the order of requests that led there. */
  readonly violation: string | undefined;
}

/** A place where the order forks: what was tried there, and what need not be tried because it was tried in another order (sleep set). */
interface Fork {
  readonly held: readonly Request[];
  readonly asleep: Request[];
  chosen: Request;
}

/** Tries every order of requests. */
export const explore = async (scenario: (inner: ObjectStore) => Scenario, newStore: () => Promise<ObjectStore>): Promise<Exploration> => {
  const path: Fork[] = [];
  for (let orders = 0; ; ) {
    const inner = await newStore();
    const run = scenario(inner);
    const scheduler = new Scheduler(run.isContested);
    await run.begin((actor) => new HeldStore(inner, scheduler, actor));
    await quiet();
    for (const { chosen } of path) await scheduler.serve(chosen.id);
    let pruned = false;
    while (scheduler.held.length > 0) {
      const parent = path.at(-1);
      const asleep = parent === undefined ? [] : parent.asleep.filter((request) => commute(request, parent.chosen));
      const chosen = scheduler.held.find(({ id }) => !asleep.some((request) => request.id === id));
      pruned = chosen === undefined;
      if (chosen === undefined) break;
      path.push({ held: [...scheduler.held], asleep, chosen });
      await scheduler.serve(chosen.id);
    }
    if (!pruned) {
      orders += 1;
      const wrong = await run.end();
      if (wrong !== undefined) return { orders, violation: [wrong, ...path.map(({ chosen }) => chosen.id)].join('\n') };
    }
    // The last fork where something else is left to choose; what was chosen there sleeps from now on.
    while (path.length > 0) {
      const fork = path.at(-1)!;
      fork.asleep.push(fork.chosen);
      const next = fork.held.find(({ id }) => !fork.asleep.some((request) => request.id === id));
      if (next !== undefined) {
        fork.chosen = next;
        break;
      }
      path.pop();
    }
    if (path.length === 0) return { orders, violation: undefined };
  }
};
