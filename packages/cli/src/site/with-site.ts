import { isHoldfastError } from '@holdfast/errors';
import { type Command, Option } from 'commander';
import { type Answer, type OutputOptions, outputOption, writeAnswer } from '../output/answer.ts';
import type { Surroundings } from '../surroundings.ts';
import { CONTEXT_VARIABLE, type Context, chooseContext, readContexts } from './contexts.ts';
import { followAuthority } from './follow-authority.ts';
import { openSite, type Site } from './site.ts';
import { type WatchOptions, watchAnswer } from './watch-answer.ts';

/** What every command on a configuration server is told. */
export interface SiteOptions extends OutputOptions {
  readonly context?: string;
}

export const siteOptions = (command: Command): Command =>
  command
    .addOption(new Option('--context <name>', `login to use (default: ${CONTEXT_VARIABLE}, else see \`holdfast context list\`)`))
    .addOption(outputOption());

/**
 * Talks to the configuration server for as long as `work` takes, again from the beginning where it turns out at the first call that its authority was
 * replaced in order. Errors: SIGN_IN_NEEDED, and those of the calls.
 */
export const withSite = async <T>(
  surroundings: Surroundings,
  { context }: Pick<SiteOptions, 'context'>,
  work: (site: Site) => Promise<T>,
): Promise<T> => {
  const { environment } = surroundings;
  const chosen = chooseContext(await readContexts(environment), environment, context);
  const site = openSite(chosen, surroundings);
  let next: Context | undefined;
  try {
    return await work(site);
  } catch (reason) {
    if (!site.hasAnswered && isHoldfastError(reason, 'CERTIFICATE_UNTRUSTED')) next = await followAuthority(chosen, surroundings);
    if (next === undefined) throw reason;
  } finally {
    site.close();
  }
  const again = openSite(next, surroundings);
  try {
    return await work(again);
  } finally {
    again.close();
  }
};

/** Asks the configuration server and writes the answer: once, or with `--watch` whenever it has changed. */
export const answerFromSite = (
  surroundings: Surroundings,
  options: SiteOptions & WatchOptions,
  ask: (site: Site) => Promise<Answer>,
): Promise<void> =>
  withSite(surroundings, options, async (site) => {
    if (options.watch !== undefined) await watchAnswer(surroundings, options, options.watch, () => ask(site));
    else writeAnswer(surroundings, options, await ask(site));
  });
