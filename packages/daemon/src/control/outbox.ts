/** The newest report that waits to be sent; adding never blocks. */
export interface Outbox<Report> {
  put(report: Report): void;
  /** Takes the waiting report away. */
  take(): Report | undefined;
  /** Resolves when a report was put in or `wake` was called, since the last `take`. */
  filled(): Promise<void>;
  /** Lets go whoever waits, although nothing may be here. */
  wake(): void;
}

interface WithEvents {
  readonly events?: readonly unknown[];
}

/** Events kept of reports that were replaced before they were sent. */
const MOST_EVENTS = 256;

/** Keeps one report: a newer one replaces it and takes over its events, so that what went wrong is told even when nobody listened. */
export const createOutbox = <Report extends object>(): Outbox<Report> => {
  let waiting: Report | undefined;
  let filled = Promise.withResolvers<void>();
  return {
    put(report) {
      const older = (waiting as WithEvents | undefined)?.events ?? [];
      const events = [...older, ...((report as WithEvents).events ?? [])].slice(-MOST_EVENTS);
      waiting = events.length === 0 ? report : { ...report, events };
      filled.resolve();
    },
    take() {
      const report = waiting;
      waiting = undefined;
      filled = Promise.withResolvers();
      return report;
    },
    filled: () => filled.promise,
    wake: () => filled.resolve(),
  };
};
