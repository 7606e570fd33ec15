import { HoldfastError } from '@holdfast/errors';
import type { Schema } from '../settings/setting.ts';
import type { Program } from './program.ts';

/** Runs `program` until it is told to stop, then ends the process. */
export const runProgram = async <S extends Schema>(program: Program<S>): Promise<void> => {
  throw new HoldfastError('UNSUPPORTED_OPERATION', {
    thing: program.name,
    why: 'programs do not run yet',
    remedy: 'wait for the next commit',
  });
};
