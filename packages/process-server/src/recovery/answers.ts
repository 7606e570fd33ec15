import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { fromSystem } from '@holdfast/errors';
import { idBytes, idText, type RecoveryAnswer, RecoveryAnswerSchema, type RecoveryQuestion } from '@holdfast/protocol';
import { listHolds, readMachine } from '@holdfast/vault';
import type { Vaults } from '../upload/vaults.ts';
import { createProofReader } from './describe-proof.ts';
import { choosePoint, describePoint, pageOfPoints } from './points.ts';
import { createSignalReader } from './write-signal.ts';

type Content = Omit<Exclude<MessageInitShape<typeof RecoveryAnswerSchema>, RecoveryAnswer>, '$typeName' | 'id'>;

/** Answers what only a holder of keys can say. */
export interface Answers {
  /** What is asked now: answers to anything else are forgotten. */
  ask(questions: readonly RecoveryQuestion[]): void;
  all(): readonly RecoveryAnswer[];
}

export interface AnswersOptions {
  readonly vaults: Pick<Vaults, 'open'>;
  /** Called when there is a new answer. */
  onAnswer(): void;
}

const MOST_AT_ONCE = 32;

export const createAnswers = ({ vaults, onAnswer }: AnswersOptions): Answers => {
  /** By question; null while it is worked on. */
  const answers = new Map<string, RecoveryAnswer | null>();

  const proofs = createProofReader();
  const signals = createSignalReader();

  const find = async ({ machineId, vault: name, question }: RecoveryQuestion): Promise<Content> => {
    const machine = idText(machineId);
    const vault = await vaults.open(name);
    const history = await readMachine(vault, machine);
    const holds = await listHolds(vault, machine).catch(() => []);
    const proven = await proofs.of(vault, history);
    const lastProven = proven.find(({ passed }) => passed === true);
    const common = {
      ...(history.failedOver !== undefined && { failedOverOperationId: idBytes(history.failedOver.operationId) }),
      ...(lastProven !== undefined && { lastProven }),
    };
    if (question.case === 'choose') {
      const point = choosePoint(history, question.value);
      return {
        ...common,
        points: [describePoint(history, point, { holds, proofs: proven, writings: [] })],
        total: BigInt(history.points.length),
      };
    }
    if (question.case === undefined) return { problemCode: 'PROTOCOL_VIOLATION', problem: 'this version does not know the question' };
    const { points, more, total } = pageOfPoints(history, question.value);
    const writings = await signals.of(history);
    const around = { holds, proofs: proven, writings };
    return {
      ...common,
      points: points.map((point) => describePoint(history, point, around)),
      more,
      total: BigInt(total),
      unusualWriting: writings.map(({ message }) => message),
    };
  };

  const answer = async (question: RecoveryQuestion): Promise<void> => {
    const id = idText(question.id);
    const found = await find(question).catch((reason: unknown): Content => {
      const { code, thing, why, remedy } = fromSystem(reason, `machine ${idText(question.machineId)}`);
      return { problemCode: code, problem: `${thing}: ${why}`, remedy };
    });
    if (!answers.has(id)) return;
    answers.set(id, create(RecoveryAnswerSchema, { ...found, id: question.id }));
    onAnswer();
  };

  return {
    ask(questions) {
      const asked = new Set(questions.map(({ id }) => idText(id)));
      for (const id of answers.keys()) if (!asked.has(id)) answers.delete(id);
      for (const question of questions.slice(0, MOST_AT_ONCE)) {
        const id = idText(question.id);
        if (question.id.length !== 16 || question.machineId.length !== 16 || answers.has(id)) continue;
        answers.set(id, null);
        void answer(question);
      }
    },
    all: () => [...answers.values()].filter((one) => one !== null),
  };
};
