import { readFile } from 'node:fs/promises';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { orStopped } from '../or-stopped.ts';
import type { Surroundings } from '../surroundings.ts';

const refuse = (thing: string, why: string): HoldfastError =>
  new HoldfastError('SETTING_INVALID', { thing, why, remedy: 'give one line for each, by standard input or --password-file' });

const linesOf = (text: string, thing: string, questions: readonly string[]): readonly string[] => {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  if (lines.length !== questions.length)
    throw refuse(
      thing,
      `it has ${lines.length} lines, and ${questions.length} ${questions.length === 1 ? 'is' : 'are'} wanted: ${questions.join(', ')}`,
    );
  return lines;
};

/** Asks once, or twice for a new one: nobody sees what is typed. */
const ask = async (asking: NonNullable<Surroundings['askSecret']>, question: string): Promise<string> => {
  const answer = await asking(question);
  if (!question.startsWith('New') || answer === (await asking(`${question}, once more`))) return answer;
  throw new HoldfastError('SETTING_INVALID', { thing: question, why: 'what was typed differs', remedy: 'start the command again' });
};

/**
 * Passwords, one for each question: from a file or standard input, a line each, or asked for. Never an argument: every user of a machine
 * can read those. Questions that begin with "New" are asked twice.
 */
export const readPasswords = async (
  { readInput, askSecret, stop }: Surroundings,
  file: string | undefined,
  ...questions: readonly string[]
): Promise<readonly string[]> => {
  if (file !== undefined)
    return linesOf(
      await readFile(file, 'utf8').catch((reason: unknown) => {
        throw fromSystem(reason, file);
      }),
      file,
      questions,
    );
  if (readInput !== undefined) return linesOf(await orStopped(stop, readInput()), 'standard input', questions);
  if (askSecret === undefined) throw refuse('password', 'there is none');
  const answers: string[] = [];
  for (const question of questions) answers.push(await orStopped(stop, ask(askSecret, question)));
  return answers;
};
