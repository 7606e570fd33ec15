import { Argument, Command, Option } from 'commander';
import { readContexts } from '../site/contexts.ts';
import { readMachines, readPolicies, readServers, readVaults } from '../site/resources.ts';
import type { Site } from '../site/site.ts';
import { withSite } from '../site/with-site.ts';
import type { Surroundings } from '../surroundings.ts';
import { candidates, type NameKind } from './candidates.ts';
import { COMPLETION_SCRIPTS, SHELLS, type Shell } from './scripts.ts';

/** Milliseconds that a person at the keyboard waits for names. */
const PATIENCE = 1500;
/** Jobs offered: the newest. */
const JOBS = 20;

const HELP = `
Prints what your shell needs to complete commands, options and the names of machines, policies, servers,
vaults and jobs of the configuration server you are logged in at.

Examples:
  source <(holdfast completion bash)
  holdfast completion bash | sudo tee /etc/bash_completion.d/holdfast
  holdfast completion zsh >"\${fpath[1]}/_holdfast"
  holdfast completion fish >~/.config/fish/completions/holdfast.fish`;

const namesOf = async (surroundings: Surroundings, kind: NameKind): Promise<readonly string[]> => {
  if (kind === 'context') return (await readContexts(surroundings.environment)).contexts.map(({ name }) => name);
  const read: Readonly<Record<Exclude<NameKind, 'context'>, (site: Site) => Promise<readonly string[]>>> = {
    machine: async (site) => (await readMachines(site)).map(({ name }) => name),
    policy: async (site) => (await readPolicies(site)).map(({ name }) => name),
    server: async (site) => (await readServers(site)).map(({ name }) => name),
    vault: async (site) => (await readVaults(site)).map(({ name }) => name),
    job: async (site) => (await site.jobs.listJobs({ pageSize: JOBS })).jobs.map(({ id }) => id.slice(0, 12)),
    alert: async (site) => (await site.alerts.listAlerts({ pageSize: JOBS })).alerts.map(({ id }) => id.slice(0, 12)),
  };
  const stop = AbortSignal.any([surroundings.stop, AbortSignal.timeout(PATIENCE)]);
  const silent = { ...surroundings, stop, stderr: { write: () => true } };
  return withSite(silent, {}, read[kind]);
};

/** `program` is asked for when a word is to be completed: this command is a part of it. */
export const completionCommand = (surroundings: Surroundings, program: () => Command): Command =>
  new Command('completion')
    .description('have your shell complete commands and names')
    .addArgument(new Argument('<shell>', 'whose script').choices(SHELLS))
    .argument('[words...]', 'what was typed')
    .addOption(new Option('--for', 'tell what may stand in the place of the last of the words: what the scripts ask'))
    .addHelpText('after', HELP)
    .action(async (shell: Shell, words: readonly string[], options: { readonly for?: boolean }) => {
      if (options.for !== true) {
        surroundings.stdout.write(COMPLETION_SCRIPTS[shell]);
        return;
      }
      const found = candidates(program(), words);
      // Whoever is logged in nowhere, or has no connection, gets no names, and no words about that either.
      const names = found.names === undefined ? [] : await namesOf(surroundings, found.names).catch(() => []);
      const last = words.at(-1) ?? '';
      const fitting = [...found.words, ...names].filter((word) => word.startsWith(last));
      if (fitting.length > 0) surroundings.stdout.write(`${fitting.join('\n')}\n`);
    });
