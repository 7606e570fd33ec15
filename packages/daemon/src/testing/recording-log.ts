import type { Log, LogFields } from '../log/log.ts';

export interface LogLine extends LogFields {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
}

/** A log that keeps its lines, and those who wait for one of them. */
export const recordingLog = () => {
  const lines: LogLine[] = [];
  let wake = Promise.withResolvers<void>();
  const at =
    (level: LogLine['level']) =>
    (message: string, fields: LogFields = {}): void => {
      lines.push({ level, message, ...fields });
      wake.resolve();
      wake = Promise.withResolvers();
    };
  const log: Log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), child: () => log };
  return {
    log,
    lines,
    /** The first line, of those written or to come, for which `match` is true. */
    async line(match: (line: LogLine) => boolean): Promise<LogLine> {
      for (;;) {
        const found = lines.find(match);
        if (found !== undefined) return found;
        await wake.promise;
      }
    },
  };
};
