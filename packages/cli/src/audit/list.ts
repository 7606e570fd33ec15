import type { AuditRecord } from '@holdfast/protocol';
import { Command, Option } from 'commander';
import { parseCount } from '../parse-count.ts';
import { readPages } from '../site/read-pages.ts';
import { instant } from '../site/times.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import type { Surroundings } from '../surroundings.ts';

const DEFAULT_ROWS = 100;

const describeRecord = ({ revision, unixMillis, actor, action, subject, detail }: AuditRecord) => ({
  revision: Number(revision),
  time: instant(unixMillis),
  actor,
  action,
  subject,
  detail,
});

const HELP = `
Every change that somebody ordered, with who and when, the newest first; kept apart from the events, as long
as history.audit of the server says.

Examples:
  holdfast audit list --limit 20
  holdfast audit list --subject 0f3c… --output json`;

export const listAuditCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('list').description('list who changed what'))
    .addOption(new Option('--subject <id>', 'only what was done to this: an id'))
    .addOption(new Option('--limit <count>', 'rows at most').argParser(parseCount).default(DEFAULT_ROWS))
    .addHelpText('after', HELP)
    .action((options: SiteOptions & { readonly subject?: string; readonly limit: number }) =>
      answerFromSite(surroundings, options, async (site) => {
        const records = await readPages(async (request) => {
          const { records: rows, nextPageToken } = await site.audit.listAudit({ ...request, subject: options.subject ?? '' });
          return { rows, nextPageToken };
        }, options.limit);
        return {
          data: records.map(describeRecord),
          people:
            records.length === 0
              ? [{ line: 'Nothing was changed.' }]
              : [
                  {
                    columns: [{ heading: 'TIME' }, { heading: 'WHO' }, { heading: 'DID' }, { heading: 'WHAT', shrink: true }],
                    rows: records.map(({ unixMillis, actor, action, detail }) => [instant(unixMillis) ?? '', actor, action, detail]),
                  },
                ],
        };
      }),
    );
