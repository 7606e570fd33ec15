/** What went wrong or right and people should know: kept until the configuration server was told. */
export interface Events {
  add(code: string, text: string): void;
  /** All since the last call. */
  take(): readonly ServerEvent[];
}

export interface ServerEvent {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly code: string;
  readonly text: string;
}

/** Events kept; older ones go first. */
const MOST = 256;

export const createEvents = (now: () => number = Date.now): Events => {
  let events: ServerEvent[] = [];
  return {
    add(code, text) {
      events.push({ time: now(), code, text: text.slice(0, 1000) });
      if (events.length > MOST) events.shift();
    },
    take() {
      const taken = events;
      events = [];
      return taken;
    },
  };
};
