import type { Alert } from '@holdfast/protocol';
import { Command, Option } from 'commander';
import { chooseResource, shortId } from '../choose/choose-resource.ts';
import type { Answer } from '../output/answer.ts';
import { formatSeconds } from '../output/format.ts';
import { parseSeconds } from '../parse-seconds.ts';
import { limitOption } from '../site/limit-option.ts';
import { readPages } from '../site/read-pages.ts';
import { required } from '../site/required.ts';
import { readMachines, readServers } from '../site/resources.ts';
import type { Site } from '../site/site.ts';
import { ago, instant } from '../site/times.ts';
import { type WatchOptions, watchOption } from '../site/watch-answer.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import { severityWord, stateCell } from '../site/words.ts';
import type { Surroundings } from '../surroundings.ts';

const describeAlert = (alert: Alert) => ({
  id: alert.id,
  severity: severityWord(alert.severity),
  code: alert.code,
  subject: alert.subject === '' ? null : { id: alert.subject, name: alert.subjectName },
  text: alert.text,
  since: instant(alert.sinceUnixMillis),
  acknowledged: alert.acknowledgedBy === '' ? null : { by: alert.acknowledgedBy, at: instant(alert.acknowledgedUnixMillis) },
  silenced: alert.silencedUntilUnixMillis === 0n ? null : { by: alert.silencedBy, until: instant(alert.silencedUntilUnixMillis) },
});

const readAlerts = ({ alerts }: Site, subject = '', limit?: number): Promise<Alert[]> =>
  readPages(async (request) => {
    const { alerts: rows, nextPageToken } = await alerts.listAlerts({ ...request, subject });
    return { rows, nextPageToken };
  }, limit);

const findAlert = async (site: Site, word: string): Promise<Pick<Alert, 'id'>> =>
  chooseResource<Pick<Alert, 'id'>>(await readAlerts(site), word, { one: 'alert', many: 'alerts' });

const looksAfter = ({ acknowledgedBy, silencedUntilUnixMillis }: Alert, now: number): string => {
  if (silencedUntilUnixMillis !== 0n) return `silent for ${formatSeconds((Number(silencedUntilUnixMillis) - now) / 1000)}`;
  return acknowledgedBy;
};

const alertsAnswer = (alerts: readonly Alert[], now: number): Answer => ({
  data: alerts.map(describeAlert),
  people:
    alerts.length === 0
      ? [{ line: 'All is well.' }]
      : [
          {
            columns: [
              { heading: 'SEVERITY' },
              { heading: 'SINCE', right: true },
              { heading: 'ALERT' },
              { heading: 'WHAT', shrink: true },
              { heading: 'LOOKS AFTER IT', optional: true },
            ],
            rows: alerts.map((alert) => [
              stateCell(severityWord(alert.severity)),
              ago(alert.sinceUnixMillis, now),
              shortId(alert.id, alerts),
              alert.text,
              looksAfter(alert, now),
            ]),
          },
        ],
});

const LIST_HELP = `
What is not well now, the gravest first; what happened is in \`holdfast event list\`. Healthy is a machine or
server without an alert that is not silenced.

Examples:
  holdfast alert list --watch
  holdfast alert list --subject db1`;

export const listAlertsCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('list').description('list what is not well'))
    .addOption(new Option('--subject <subject>', 'only what is about this machine or server: name or id'))
    .addOption(limitOption())
    .addOption(watchOption())
    .addHelpText('after', LIST_HELP)
    .action((options: SiteOptions & WatchOptions & { readonly subject?: string; readonly limit?: number }) =>
      answerFromSite(surroundings, options, async (site) => {
        const subject = options.subject === undefined ? '' : await subjectOf(site, options.subject);
        return alertsAnswer(await readAlerts(site, subject, options.limit), surroundings.now());
      }),
    );

const subjectOf = async (site: Site, word: string): Promise<string> => {
  const [servers, machines] = await Promise.all([readServers(site), readMachines(site)]);
  return chooseResource([...servers, ...machines], word, { one: 'server or machine', many: 'of them' }).id;
};

const ALERT_ARGUMENT = ['<alert>', 'id, or its first two or more digits'] as const;

export const acknowledgeAlertCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('acknowledge').description('say that you look after it').argument(...ALERT_ARGUMENT)).action(
    (word: string, options: SiteOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const { alert } = await site.alerts.acknowledgeAlert({ id: (await findAlert(site, word)).id });
        return alertsAnswer([required(alert, `alert ${word}`)], surroundings.now());
      }),
  );

const SILENCE_HELP = `
A silenced alert counts for nobody's health, and nobody is told of it: for a machine that is being repaired.

Examples:
  holdfast alert silence 5f3c --for 4h
  holdfast alert silence 5f3c --end`;

export const silenceAlertCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('silence').description('hear nothing of it for a while').argument(...ALERT_ARGUMENT))
    .addOption(new Option('--for <time>', 'how long').argParser(parseSeconds).default(3600, '1h').conflicts('end'))
    .addOption(new Option('--end', 'hear of it again'))
    .addHelpText('after', SILENCE_HELP)
    .action((word: string, options: SiteOptions & { readonly for: number; readonly end?: true }) =>
      answerFromSite(surroundings, options, async (site) => {
        const seconds = options.end ? 0 : options.for;
        const { alert } = await site.alerts.silenceAlert({ id: (await findAlert(site, word)).id, seconds });
        return alertsAnswer([required(alert, `alert ${word}`)], surroundings.now());
      }),
    );
