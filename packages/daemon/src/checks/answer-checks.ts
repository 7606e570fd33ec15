import { Buffer } from 'node:buffer';
import { create } from '@bufbuild/protobuf';
import { type CheckReport, CheckReportSchema, type CheckRequest, type Finding, idText } from '@holdfast/protocol';
import type { Log } from '../log/log.ts';

export interface CheckAnswererOptions {
  /** Looks; whatever happens, the request is answered. */
  readonly look: (request: CheckRequest) => Promise<readonly Finding[]>;
  /** There is an answer to be told. */
  readonly onAnswer: () => void;
  readonly log: Log;
}

/** Looks at the surroundings when the configuration server asks for it, once for each request. */
export interface CheckAnswerer {
  /** What the desired state asks for; undefined: nothing any more. */
  ask(request: CheckRequest | undefined): void;
  /** The answer, as long as it is asked for. */
  readonly answer: CheckReport | undefined;
}

/** Findings told at most, and characters of a text. */
const MOST = 500;
const LONGEST = 1000;

export const createCheckAnswerer = ({ look, onAnswer, log }: CheckAnswererOptions): CheckAnswerer => {
  let asked = '';
  let answer: CheckAnswerer['answer'];

  const work = async (request: CheckRequest): Promise<void> => {
    const id = idText(request.id);
    let findings: readonly Finding[] = [];
    try {
      findings = await look(request);
    } catch (error) {
      log.warn('The surroundings could not be looked at', { error });
    }
    if (asked !== id) return;
    const cut = (text: string): string => text.slice(0, LONGEST);
    answer = create(CheckReportSchema, {
      requestId: Buffer.from(request.id),
      unixMillis: BigInt(Date.now()),
      findings: findings
        .slice(0, MOST)
        .map(({ text, remedy, thing, ...one }) => ({ ...one, text: cut(text), remedy: cut(remedy), thing: cut(thing) })),
    });
    onAnswer();
  };

  return {
    ask(request) {
      const id = request === undefined ? '' : idText(request.id);
      if (id === asked) return;
      asked = id;
      answer = undefined;
      if (request !== undefined) void work(request);
    },
    get answer() {
      return answer;
    },
  };
};
