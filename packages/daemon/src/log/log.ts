/** What is logged beside the words: ids, counts, an `error`. The names time, level, program, pid and message are taken. */
export type LogFields = Readonly<Record<string, unknown>>;

/**
 * Where a program says what happens, one JSON object a line. Words first, facts as fields: `log.info('Disk attached', { disk })`.
 * An error goes into the field `error`. Known secrets are taken out of every line, wherever they stand.
 */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A log that adds `fields` to each of its lines. */
  child(fields: LogFields): Log;
}
