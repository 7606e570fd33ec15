import { writeFile } from 'node:fs/promises';
import { fromSystem, isHoldfastError } from '@holdfast/errors';
import { Command, Option } from 'commander';
import { type HealthOptions, healthOption } from '../doctor/doctor.ts';
import { writeAnswer } from '../output/answer.ts';
import { formatBytes } from '../output/format.ts';
import { type SiteOptions, siteOptions } from '../site/with-site.ts';
import type { Surroundings } from '../surroundings.ts';
import { gather } from './gather.ts';
import { knownSecrets, redactor } from './redact.ts';
import { tarGzip } from './tar.ts';

interface BundleOptions extends SiteOptions, HealthOptions {
  readonly to: string;
  readonly settings: string;
  readonly log: readonly string[];
}

const HELP = `
Gathers what others need to help you: versions, what doctor finds, machines, servers, policies, jobs, events
and alerts of the configuration server, and of the programs on this machine health, metrics, settings and
logs. Tokens, passwords, keys and signatures are taken out of everything; names, addresses and the
layout of disks are in it. Look into it before you give it away: tar tzf FILE.

Examples:
  holdfast support-bundle --to holdfast-support.tar.gz
  sudo -E holdfast support-bundle --to bundle.tar.gz --log /var/log/syslog`;

export const supportBundleCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('support-bundle').description('gather what others need to help you, without secrets'))
    .addOption(new Option('--to <file>', 'a file that is not there yet (required)').makeOptionMandatory())
    .addOption(new Option('--settings <directory>', 'where the settings of programs are').default('/etc/holdfast'))
    .addOption(
      new Option('--log <file>', 'a log beside what the journal of the system has; may be given again')
        .argParser((file: string, before: readonly string[]) => [...before, file])
        .default([], 'none'),
    )
    .addOption(healthOption())
    .addHelpText('after', HELP)
    .action(async (options: BundleOptions) => {
      const { to, settings, log, health, context } = options;
      const { files, secrets } = await gather(surroundings, {
        settings,
        logs: log,
        addresses: health,
        ...(context === undefined ? {} : { context }),
      });
      const clean = redactor(knownSecrets(surroundings.environment, secrets));
      const archive = tarGzip(
        files.map(({ name, content }) => ({ name, content: clean(content) })),
        surroundings.now(),
      );
      try {
        await writeFile(to, archive, { mode: 0o600, flag: 'wx' });
      } catch (reason) {
        throw isHoldfastError(reason) ? reason : fromSystem(reason, to);
      }
      const missing = files.filter(({ name }) => name.endsWith('.missing')).map(({ name }) => name.slice(0, -'.missing'.length));
      writeAnswer(surroundings, options, {
        data: { file: to, bytes: archive.length, files: files.length - missing.length, missing },
        people: [
          { line: `${to}: ${files.length - missing.length} files, ${formatBytes(archive.length)}; look into it before you give it away.` },
          ...(missing.length === 0 ? [] : [{ line: `Could not be had: ${missing.join(', ')}` }]),
        ],
      });
    });
