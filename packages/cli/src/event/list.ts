import { type Event, Severity } from '@holdfast/protocol';
import { Command, Option } from 'commander';
import { chooseResource } from '../choose/choose-resource.ts';
import { parseCount } from '../parse-count.ts';
import { readPages } from '../site/read-pages.ts';
import { readMachines, readPolicies, readServers, readVaults } from '../site/resources.ts';
import type { Site } from '../site/site.ts';
import { type WatchOptions, watchOption } from '../site/watch-answer.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import { parseSeverity } from '../site/words.ts';
import type { Surroundings } from '../surroundings.ts';
import { describeEvent, EVENT_COLUMNS, eventRow, type Names } from './describe-event.ts';

interface ListOptions extends SiteOptions, WatchOptions {
  readonly limit: number;
  readonly severity?: Severity;
  readonly subject?: string;
}

export const severityOption = (): Option =>
  new Option('--severity <severity>', 'this and graver ones: information, warning, critical').argParser(parseSeverity);

const HELP = `
Examples:
  holdfast event list --severity warning
  holdfast event list --subject db1 --limit 200 --output json`;

export const listEventsCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('list').description('list what happened, newest first'))
    .addOption(severityOption())
    .addOption(new Option('--subject <subject>', 'about one machine, server or policy: name or id'))
    .addOption(new Option('--limit <count>', 'events at most').argParser(parseCount).default(50))
    .addOption(watchOption())
    .addHelpText('after', HELP)
    .action((options: ListOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const subjects = await readSubjects(site);
        const subject = options.subject === undefined ? '' : meantBy(subjects, options.subject);
        const events = await readEvents(site, { subject, minimumSeverity: options.severity ?? Severity.UNSPECIFIED }, options.limit);
        const described = events.map((event) => describeEvent(event, subjects));
        return {
          data: described,
          people:
            described.length === 0 ? [{ line: 'Nothing has happened.' }] : [{ columns: EVENT_COLUMNS, rows: described.map(eventRow) }],
        };
      }),
    );

/** Names of all that events are about. */
export const readSubjects = async (site: Site): Promise<Names> => {
  // A server of an earlier version knows no vaults.
  const vaults = readVaults(site).catch(() => []);
  const all = await Promise.all([readMachines(site), readServers(site), readPolicies(site), vaults]);
  return new Map(all.flat().map(({ id, name }) => [id, name]));
};

/** The id of what is meant; a whole id may be of something that is gone. */
const meantBy = (subjects: Names, word: string): string => {
  if (/^[0-9a-f]{32}$/i.test(word)) return word.toLowerCase();
  const all = [...subjects].map(([id, name]) => ({ id, name }));
  return chooseResource(all, word, { one: 'machine, server, policy or vault', many: 'of them' }).id;
};

export const readEvents = (
  { events }: Site,
  filter: { readonly subject: string; readonly minimumSeverity: Severity },
  limit: number,
): Promise<Event[]> =>
  readPages(async (request) => {
    const { events: rows, nextPageToken } = await events.listEvents({ ...request, ...filter });
    return { rows, nextPageToken };
  }, limit);
