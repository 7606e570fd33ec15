import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { ERROR_CODES, type ErrorCode, HoldfastError } from '@holdfast/errors';
import { idBytes, idText, newId, type RecoveryAnswer, type RecoveryQuestion, RecoveryQuestionSchema } from '@holdfast/protocol';
import type { ServerPresence } from '../control/presence.ts';
import { serversWith } from '../jobs/choose-server.ts';
import { everySecond } from '../jobs/steps.ts';
import { until } from '../jobs/until.ts';

/** What is asked of those who hold keys; nothing of it is stored. */
export type Asked = Pick<Exclude<MessageInitShape<typeof RecoveryQuestionSchema>, RecoveryQuestion>, 'question'> & {
  readonly machineId: string;
  readonly vault: string;
  /** The process server to ask before others. */
  readonly server: string;
};

export interface Questions {
  /** The answer. Errors: those of the answer; CONNECTION_LOST when nobody is there who could know; TIMED_OUT. */
  ask(asked: Asked, signal: AbortSignal): Promise<RecoveryAnswer>;
  /** What a server is asked now. */
  of(serverId: string): readonly RecoveryQuestion[];
  /** Calls `listener` when that is something else. */
  subscribe(serverId: string, listener: () => void): () => void;
}

/** Milliseconds until a question is given up. */
const PATIENCE = 25_000;

/** A code that a member sent; one that is none of ours stands for something that went wrong there. */
const codeOfMember = (code: string): ErrorCode => (Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : 'INTERNAL');

/** The error a member told of. */
export const errorOfMember = (thing: string, code: string, problem: string, remedy: string): HoldfastError =>
  new HoldfastError(codeOfMember(code), {
    thing,
    why: problem.slice(0, 1000),
    remedy: remedy.slice(0, 1000) || 'see what the process server logs',
  });

export const createQuestions = (
  servers: ServerPresence,
  patience = PATIENCE,
  nameOf: (vault: string) => Promise<string> = async (vault) => vault,
): Questions => {
  const open = new Map<string, Map<string, RecoveryQuestion>>();
  const listeners = new Map<string, Set<() => void>>();
  const tell = (server: string): void => {
    for (const listener of [...(listeners.get(server) ?? [])]) listener();
  };
  const put = (server: string, id: string, question: RecoveryQuestion | undefined): void => {
    const there = open.get(server) ?? new Map<string, RecoveryQuestion>();
    if (question === undefined) there.delete(id);
    else there.set(id, question);
    if (there.size === 0) open.delete(server);
    else open.set(server, there);
    tell(server);
  };

  const askOne = async (server: string, question: RecoveryQuestion, signal: AbortSignal): Promise<RecoveryAnswer | undefined> => {
    const id = idText(question.id);
    put(server, id, question);
    try {
      const look = (): RecoveryAnswer | 'gone' | undefined => {
        const known = servers.get(server);
        if (known?.connected !== true) return 'gone';
        return known.report?.answers.find((answer) => idText(answer.id) === id);
      };
      const found = await until(look, [(listener) => servers.subscribe(server, listener), everySecond], signal);
      return found === 'gone' ? undefined : found;
    } finally {
      put(server, id, undefined);
    }
  };

  return {
    async ask({ machineId, vault, server, question }, signal) {
      const late = AbortSignal.timeout(patience);
      const both = AbortSignal.any([signal, late]);
      const message = create(RecoveryQuestionSchema, {
        id: idBytes(newId()),
        machineId: idBytes(machineId),
        vault,
        ...(question === undefined ? {} : { question }),
      });
      const holders = serversWith(servers, vault).toSorted((a, b) => Number(b === server) - Number(a === server));
      for (const holder of holders) {
        const answer = await askOne(holder, message, both);
        if (both.aborted) break;
        if (answer === undefined) continue;
        if (answer.problemCode === '') return answer;
        throw errorOfMember(`machine ${machineId}`, answer.problemCode, answer.problem, answer.remedy);
      }
      if (late.aborted)
        throw new HoldfastError('TIMED_OUT', {
          thing: `question about vault ${await nameOf(vault)}`,
          why: `no process server answered within ${patience / 1000} s`,
          remedy: 'see what the process server logs',
        });
      throw new HoldfastError('CONNECTION_LOST', {
        thing: `vault ${await nameOf(vault)}`,
        why: 'no process server that holds it is connected',
        remedy: 'start one; without any, `holdfast recover` needs only the vault and its key',
      });
    },
    of: (server) => [...(open.get(server)?.values() ?? [])],
    subscribe(server, listener) {
      const there = listeners.get(server) ?? new Set();
      const own = (): void => listener();
      listeners.set(server, there.add(own));
      return () => {
        there.delete(own);
        if (there.size === 0 && listeners.get(server) === there) listeners.delete(server);
      };
    },
  };
};
