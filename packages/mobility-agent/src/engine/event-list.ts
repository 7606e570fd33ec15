import type { EngineEvent } from './engine.ts';

/** More than these are not kept for a configuration server that is away. */
const LIMIT = 256;

/** What happened; what went wrong is kept until it is reported. */
export interface EventList {
  warn(code: string, text: string): void;
  inform(code: string, text: string): void;
  /** All warnings, once. */
  take(): EngineEvent[];
}

/** `tell` hears of each at once. */
export const createEventList = (tell: (event: EngineEvent) => void): EventList => {
  let events: EngineEvent[] = [];
  return {
    warn(code, text) {
      const event = { unixMillis: Date.now(), severity: 'warning', code, text } as const;
      events.push(event);
      if (events.length > LIMIT) events.shift();
      tell(event);
    },
    inform: (code, text) => tell({ unixMillis: Date.now(), severity: 'information', code, text }),
    take() {
      const taken = events;
      events = [];
      return taken;
    },
  };
};
