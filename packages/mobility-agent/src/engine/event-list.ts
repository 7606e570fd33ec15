import type { EngineEvent } from './engine.ts';

/** More than these are not kept for a configuration server that is away. */
const LIMIT = 256;

/** What happened and was not reported yet. */
export interface EventList {
  add(code: string, text: string): void;
  /** All of them, once. */
  take(): EngineEvent[];
}

/** `tell` hears of each at once. */
export const createEventList = (tell: (event: EngineEvent) => void): EventList => {
  let events: EngineEvent[] = [];
  return {
    add(code, text) {
      const event = { unixMillis: Date.now(), code, text };
      events.push(event);
      if (events.length > LIMIT) events.shift();
      tell(event);
    },
    take() {
      const taken = events;
      events = [];
      return taken;
    },
  };
};
