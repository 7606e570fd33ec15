import { HoldfastError } from '@holdfast/errors';
import { titleOf } from './desk.ts';
import type { Guest, RunOptions } from './guest.ts';

export interface OutcomeOptions extends RunOptions {
  /** True: it may end with another status than 0, for it may have found something wrong. */
  readonly mayFail?: boolean;
}

/** What a program in a guest says with the last line it prints, which is JSON. Rejects with GUEST_FAILED, and all it printed, when it says nothing or ends with another status than 0. */
export const outcomeOf = async <T = Record<string, unknown>>(
  guest: Pick<Guest, 'run'>,
  command: string,
  { mayFail = false, ...options }: OutcomeOptions = {},
): Promise<T> => {
  const { status, stdout, stderr } = await guest.run(command, options);
  const outcome = parse(stdout.trim().split('\n').at(-1)!);
  if (outcome !== undefined && (status === 0 || mayFail)) return outcome as T;
  throw new HoldfastError('GUEST_FAILED', {
    thing: titleOf(command),
    why: `it ended with status ${status ?? 'unknown, the guest went off under it'} and printed: ${stdout} ${stderr}`,
    remedy: 'mend the program or what it looks at',
  });
};

const parse = (line: string): unknown => {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
};
