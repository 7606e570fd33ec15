import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino';
import { describeError } from './describe-error.ts';
import type { Log, LogFields } from './log.ts';
import { redactFields, redactText } from './redact.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface LogOptions {
  /** Name of the program, a field of each line. */
  readonly program: string;
  readonly level: LogLevel;
  readonly destination: DestinationStream;
}

/** Lines for a file descriptor, 1 or 2, written at once so that nothing is lost when the process dies. */
export const logDestination = (output: 'stdout' | 'stderr'): DestinationStream => {
  const destination = pino.destination({ dest: output === 'stdout' ? 1 : 2, sync: true });
  // Nobody reads any more: there is nowhere left to say so.
  destination.on('error', () => undefined);
  return destination;
};

const prepared = (fields: LogFields): object => {
  const { error, ...others } = fields;
  return redactFields(error === undefined ? others : { ...others, error: describeError(error) }) as object;
};

const wrap = (logger: Logger): Log => {
  const at =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}): void => {
      if (logger.isLevelEnabled(level)) logger[level](prepared(fields), redactText(message));
    };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => wrap(logger.child(prepared(fields))),
  };
};

/** A log of JSON lines: time, level, program, message, fields. */
export const createLog = ({ program, level, destination }: LogOptions): Log =>
  wrap(
    pino(
      {
        level,
        base: { program, pid: process.pid },
        messageKey: 'message',
        timestamp: stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
      },
      destination,
    ),
  );
