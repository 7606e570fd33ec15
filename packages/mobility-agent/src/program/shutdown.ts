import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { Log } from '@holdfast/daemon';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { idText, type ShutdownAnswer, ShutdownAnswerSchema, type ShutdownRequest } from '@holdfast/protocol';
import { findScripts } from '../consistency/find-scripts.ts';
import { runScript } from '../consistency/run-script.ts';
import type { Engine } from '../engine/engine.ts';
import type { RestedScripts } from './rested-scripts.ts';

type Answer = ShutdownAnswer;

export interface ShutdownOptions {
  readonly engine: Pick<Engine, 'status' | 'pointNow'>;
  /** Scripts that bring to rest what writes; run in the order of their names with the argument `pre`, and `post` when it is called off. */
  readonly scripts: string;
  /** Milliseconds one of them may take. */
  readonly scriptLimit: number;
  /** Program and arguments. */
  readonly powerOff: readonly string[];
  readonly log: Log;
  /** Those that have run, to be told when it is called off; of an earlier agent too. */
  readonly rested: RestedScripts;
  /** Called when the answer is another one. */
  onAnswer(): void;
  /** Milliseconds between looks whether the last point is durable. */
  readonly look?: number;
  readonly sync?: () => Promise<unknown>;
}

/** Brings the machine to rest for a failover that loses nothing, and powers it off. */
export interface Shutdown {
  /** What is asked for now; undefined: nothing, or not any more. A machine that `isReplaced`, since it is failed over, is not woken for that. */
  ask(request: ShutdownRequest | undefined, isReplaced?: boolean): void;
  /** What became of it. */
  readonly answer: Answer | undefined;
}

const LOOK = 100;
const ENVIRONMENT = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' };
const run = promisify(execFile);

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });

export const createShutdown = (options: ShutdownOptions): Shutdown => {
  const {
    engine,
    scripts: directory,
    scriptLimit: limit,
    powerOff,
    log,
    rested,
    onAnswer,
    look = LOOK,
    sync = () => run('sync'),
  } = options;
  let id = '';
  let answer: Answer | undefined;
  let work = new AbortController();
  let isPoweringOff = false;
  /** One thing after the other: nothing is woken while it is still brought to rest. */
  let turn: Promise<void> = Promise.resolve();
  const inTurn = (next: () => Promise<void>): void => {
    turn = turn.then(next);
  };

  const say = (part: Partial<Answer>): void => {
    answer = create(ShutdownAnswerSchema, { ...answer, ...part } as MessageInitShape<typeof ShutdownAnswerSchema>);
    onAnswer();
  };

  const runAll = async (files: readonly string[], phase: 'pre' | 'post', signal?: AbortSignal): Promise<void> => {
    for (const file of files) {
      signal?.throwIfAborted();
      // Before it runs: what it stops shall go on although the agent dies meanwhile.
      if (phase === 'pre') await rested.keep([file, ...rested.files.filter((one) => one !== file)]);
      const { problem } = await runScript({ file, limit, environment: ENVIRONMENT }, phase, signal);
      if (problem !== undefined) throw new HoldfastError('SCRIPT_FAILED', { thing: `script ${file}`, why: problem, remedy: 'mend it' });
    }
  };

  /** A point of a time behind this moment, in the vault. */
  const lastPoint = async (signal: AbortSignal): Promise<number> => {
    const since = Date.now();
    engine.pointNow();
    for (;;) {
      const { newestPoint } = engine.status;
      if (newestPoint >= since) return newestPoint;
      await new Promise((resolve) => setTimeout(resolve, look));
      signal.throwIfAborted();
    }
  };

  const rest = async (requestId: Uint8Array, signal: AbortSignal): Promise<void> => {
    try {
      const scripts = findScripts(directory);
      if (scripts.length === 0)
        throw new HoldfastError('PREREQUISITES_MISSING', {
          thing: directory,
          why: 'there is no script that brings to rest what writes on this machine, so something would be lost',
          remedy: 'put scripts there that stop it, or force the failover',
        });
      log.info('The machine comes to rest for a failover', { scripts });
      await runAll(scripts, 'pre', signal);
      // A network file system that is away keeps this for ever; who calls it off does not wait for that.
      await Promise.race([sync(), aborted(signal)]);
      const unixMillis = BigInt(await lastPoint(signal));
      if (!signal.aborted) say({ requestId, atRest: true, unixMillis });
    } catch (reason) {
      if (signal.aborted) return;
      const error = fromSystem(reason, 'shutdown');
      log.warn('The machine does not come to rest', { error });
      say({ requestId, problemCode: error.code, problem: `${error.thing}: ${error.why}` });
      await wakeUp();
    }
  };

  /** What was brought to rest may go on. */
  const wakeUp = async (): Promise<void> => {
    for (const file of rested.files) {
      await runAll([file], 'post').catch((error: unknown) => log.error('What was brought to rest does not go on', { file, error }));
      await rested
        .keep(rested.files.filter((one) => one !== file))
        .catch((error: unknown) => log.warn('A script may run again', { file, error }));
    }
  };

  const off = async (): Promise<void> => {
    isPoweringOff = true;
    const [program, ...parameters] = powerOff;
    try {
      log.warn('The machine powers off: it is failed over', { program });
      say({ poweringOff: true });
      if (program === undefined)
        throw new HoldfastError('SETTING_INVALID', { thing: 'shutdown.power-off', why: 'it is empty', remedy: 'name a program' });
      await run(program, parameters);
    } catch (reason) {
      const error = fromSystem(reason, 'power off');
      isPoweringOff = false;
      log.error('The machine could not be powered off', { error });
      say({ problemCode: error.code, problem: error.message.slice(0, 1000) });
    }
  };

  return {
    get answer() {
      return answer;
    },
    ask(request, isReplaced = false) {
      if (request === undefined && isReplaced) return;
      if (request === undefined || idText(request.id) !== id) {
        // An agent that started behind the rest knows of no request, and wakes the machine all the same.
        const isCalledOff = (id !== '' || request === undefined) && !isPoweringOff;
        work.abort();
        answer = undefined;
        id = request === undefined ? '' : idText(request.id);
        if (isCalledOff) inTurn(wakeUp);
        if (request === undefined) return;
        isPoweringOff = false;
        work = new AbortController();
        answer = create(ShutdownAnswerSchema, { requestId: request.id });
        const { signal } = work;
        if (!request.powerOff) inTurn(() => rest(request.id, signal));
      }
      if (request?.powerOff === true && !isPoweringOff && (answer?.problemCode ?? '') === '') void off();
    },
  };
};
