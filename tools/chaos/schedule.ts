import { createHash } from 'node:crypto';
import { createRandom, type Random, randomBelow } from '../lab/random.ts';

/** One thing a schedule lets happen. */
export interface ScheduledEvent {
  /** From 1. */
  readonly index: number;
  readonly kind: 'step' | 'fault' | 'verify';
  readonly name: string;
  /** Seed of the event's own random numbers, so that what one event draws changes nothing for the next. */
  readonly seed: number;
}

type Weights = Readonly<Record<string, { readonly weight: number }>>;

/** What a schedule can choose from. */
export interface Offer {
  readonly steps: Weights;
  readonly faults: Weights;
}

/** A round is some steps, a fault, perhaps more steps while it lasts, a verification. */
const STEPS_BEFORE_FAULT = 6;
const STEPS_AFTER_FAULT = 3;

/** A seed for `part` of what `seed` names. */
export const deriveSeed = (seed: number, part: string): number => createHash('sha256').update(`${seed}/${part}`).digest().readUInt32LE(0);

const choose = (random: Random, from: Weights): string => {
  const entries = Object.entries(from);
  let left = random() * entries.reduce((sum, [, { weight }]) => sum + weight, 0);
  for (const [name, { weight }] of entries) {
    left -= weight;
    if (left < 0) return name;
  }
  throw new RangeError('nothing to choose from: every kind needs an action with a weight above 0');
};

type MakeEvent = (kind: ScheduledEvent['kind'], name: string) => ScheduledEvent;

const eventsOf = (seed: number): MakeEvent => {
  let index = 0;
  return (kind, name) => {
    index += 1;
    return { index, kind, name, seed: deriveSeed(seed, String(index)) };
  };
};

/** Every kind of fault once, or each of `only`, in an order that the seed names: a step, the fault, a verification. */
export function* createTour(seed: number, { steps, faults }: Offer, only?: readonly string[]): Generator<ScheduledEvent, void> {
  const random = createRandom(deriveSeed(seed, 'tour'));
  const event = eventsOf(seed);
  const left = Object.keys(faults).filter((name) => only?.includes(name) ?? true);
  while (left.length > 0) {
    yield event('step', choose(random, steps));
    const [name] = left.splice(randomBelow(random, left.length), 1);
    yield event('fault', name!);
    yield event('verify', 'verify');
  }
}

/** The endless schedule that a seed names. */
export function* createSchedule(seed: number, { steps, faults }: Offer): Generator<ScheduledEvent, never> {
  const random = createRandom(deriveSeed(seed, 'schedule'));
  const event = eventsOf(seed);
  for (;;) {
    for (let left = 1 + randomBelow(random, STEPS_BEFORE_FAULT); left > 0; left -= 1) yield event('step', choose(random, steps));
    yield event('fault', choose(random, faults));
    for (let left = randomBelow(random, STEPS_AFTER_FAULT + 1); left > 0; left -= 1) yield event('step', choose(random, steps));
    yield event('verify', 'verify');
  }
}
