import { constants } from 'node:os';
import { fromSystem } from '@holdfast/errors';
import { redactText } from '../log/redact.ts';
import type { ChildMessage } from '../notify/service-manager.ts';
import type { Schema } from '../settings/setting.ts';
import { executeProgram } from './execute-program.ts';
import type { Stoppable } from './host.ts';
import type { Program } from './program.ts';
import { readSecret } from './read-secret.ts';
import { tuneMemory } from './tune-memory.ts';

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** Whether there is a channel to a supervisor, or was one. */
const isSupervised = (): boolean => process.send !== undefined;

/** What cannot be told to a supervisor that is gone is no error: that it is gone stops this program. */
const tellSupervisor = (message: ChildMessage): void => {
  if (process.connected) process.send?.(message, () => undefined);
};

/** The first signal stops in order, the second at once. */
const attachSignals = (lifecycle: Stoppable, say: (message: string, error: unknown) => void): void => {
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (lifecycle.stopping.aborted) process.exit(128 + constants.signals[signal]);
      lifecycle.stop(`signal ${signal}`);
    });
  }
  // The other end of the channel is a supervisor: without it nobody would ever stop this program. It may have gone while this one was being loaded.
  const orphaned = (): void => lifecycle.stop('its supervisor is gone');
  if (isSupervised() && !process.connected) orphaned();
  else process.on('disconnect', orphaned);
  // After this nothing in memory can be trusted. What is on disk survives a kill at any instruction, so it survives this.
  process.on('uncaughtException', (error) => {
    say('The program ends at once because of a defect', error);
    process.exit(70);
  });
};

/** Whoever reads may stop reading, as `head` does: what is said then is lost, and what is done is done to its end. */
const bearDeafness = (stream: NodeJS.WriteStream): void => {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
};

/**
 * Runs `program` with the arguments, environment and signals of this process until it is told to stop, then ends the process with the exit
 * status that docs/errors.md tells. Never returns.
 */
export const runProgram = async <S extends Schema>(program: Program<S>): Promise<void> => {
  tuneMemory();
  for (const stream of [process.stdout, process.stderr]) bearDeafness(stream);
  // A program that waits for nothing but signals would end by itself.
  const alive = setInterval(() => undefined, 2 ** 30);
  const status = await executeProgram(program, {
    argv: process.argv.slice(2),
    environment: process.env,
    workingDirectory: process.cwd(),
    pid: process.pid,
    send: isSupervised() ? tellSupervisor : undefined,
    print: (text) => void process.stdout.write(text),
    readSecret: (prompt, stopping) => readSecret(process.stdin, process.stderr, prompt, stopping),
    attach: attachSignals,
  }).catch((reason: unknown) => {
    const error = fromSystem(reason, program.name, 'INTERNAL');
    process.stderr.write(`${redactText(error.message)}\n`);
    return error.exitCode;
  });
  clearInterval(alive);
  process.exit(status);
};
