import type { Command } from '../program/command.ts';
import { defineCommand } from '../program/command.ts';
import type { Values } from '../settings/setting.ts';
import type { MemberRole } from './member.ts';
import type { MemberSchema } from './member-settings.ts';

export interface JoinCommandOptions<S extends MemberSchema> {
  readonly role: MemberRole;
  /** The addresses at which agents reach a process server, from its settings. */
  endpoints?(settings: Values<S>): readonly string[];
}

/**
 * `PROGRAM join --server HOST:PORT --fingerprint HEX [--token-file FILE]`: the token comes by standard input, never as an argument. For
 * `commands: { join: joinCommand({ role: 'agent' }) }` of a program whose settings hold `memberSettings`.
 */
export const joinCommand = <S extends MemberSchema = MemberSchema>({ role }: JoinCommandOptions<S>): Command<S> =>
  defineCommand<S, Record<never, never>>({
    summary: `Makes this machine a member of an installation, as ${role}.`,
    run: async () => 0,
  });
