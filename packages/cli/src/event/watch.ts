import { type Event, Severity } from '@holdfast/protocol';
import { Command, Option } from 'commander';
import { stringify } from 'yaml';
import type { OutputOptions } from '../output/answer.ts';
import { renderCsv } from '../output/csv.ts';
import { createStatusLine } from '../output/status-line.ts';
import { layOutTable } from '../output/table.ts';
import { wantsColours } from '../output/tone.ts';
import { parseCount } from '../parse-count.ts';
import { pause, reconnecting } from '../site/reconnecting.ts';
import type { Site } from '../site/site.ts';
import { type SiteOptions, siteOptions, withSite } from '../site/with-site.ts';
import type { Surroundings } from '../surroundings.ts';
import { describeEvent, EVENT_COLUMNS, type EventDescription, eventRow, type Names } from './describe-event.ts';
import { readEvents, readSubjects, severityOption } from './list.ts';

interface EventWatchOptions extends SiteOptions {
  readonly severity?: Severity;
  readonly last: number;
}

const HELP = `
Tells the newest events, oldest of them first, and then each one as it happens, until Ctrl-C. A lost
connection is taken up again where it was lost: no event is missed, none told twice. JSON is one line
for each event.

Examples:
  holdfast event watch
  holdfast event watch --severity critical --output json | while read -r line; do notify "$line"; done`;

export const watchEventsCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('watch').description('tell what happens as it happens'))
    .addOption(severityOption())
    .addOption(new Option('--last <count>', 'begin with so many that happened before').argParser(parseCount).default(10))
    .addHelpText('after', HELP)
    .action(async (options: EventWatchOptions) => {
      try {
        await withSite(surroundings, options, (site) => watchEvents(surroundings, site, options));
      } catch (reason) {
        // That is how it ends.
        if (!surroundings.stop.aborted) throw reason;
      }
    });

const watchEvents = async (surroundings: Surroundings, site: Site, options: EventWatchOptions): Promise<void> => {
  const { stdout, stderr, stop } = surroundings;
  const { severity = Severity.UNSPECIFIED, last } = options;
  const tell = eventWriter(surroundings, options);
  let names = await readSubjects(site);
  // The newest of all tells where to go on, whatever is shown.
  const [[newest], shown] = await Promise.all([
    readEvents(site, { subject: '', minimumSeverity: Severity.UNSPECIFIED }, 1),
    readEvents(site, { subject: '', minimumSeverity: severity }, last),
  ]);
  for (const event of shown.reverse()) stdout.write(tell(describeEvent(event, names)));

  let revision = newest?.revision ?? 0n;
  for (const { revision: seen } of shown) if (seen > revision) revision = seen;
  const status = createStatusLine(stderr);
  for (;;) {
    for await (const { event } of reconnecting(() => site.events.watchEvents({ afterRevision: revision }), { stop, status })) {
      if (event === undefined || event.revision <= revision) continue;
      revision = event.revision;
      if (event.severity < severity) continue;
      names = await withSubject(site, names, event);
      status.end();
      stdout.write(tell(describeEvent(event, names)));
    }
    // A server that stops ends its streams in order.
    await pause(stop);
  }
};

/** Reads names anew when an event is about something that was not there before. */
const withSubject = async (site: Site, names: Names, { subject }: Event): Promise<Names> => {
  if (subject === '' || names.has(subject)) return names;
  const fresh = await readSubjects(site).catch(() => names);
  return fresh.has(subject) ? fresh : new Map([...fresh, [subject, '']]);
};

/** Events one by one: the heading stands above the first. */
const eventWriter = ({ stdout, environment }: Surroundings, { output }: OutputOptions): ((event: EventDescription) => string) => {
  if (output === 'json') return (event) => `${JSON.stringify(event)}\n`;
  if (output === 'yaml') return (event) => `---\n${stringify(event)}`;
  if (output === 'csv') return csvWriter();
  const colours = wantsColours(stdout, environment);
  let first = true;
  return (event) => {
    const width = stdout.isTTY ? stdout.columns || undefined : undefined;
    // Widths are fixed, for what comes later is not known yet.
    const [heading, line] = layOutTable(EVENT_COLUMNS, [eventRow(event)], { colours, width, narrowest: NARROWEST });
    const lines = first ? [heading, line] : [line];
    first = false;
    return `${lines.join('\n')}\n`;
  };
};

/** One line for each, the headings before the first. */
const csvWriter = (): ((event: EventDescription) => string) => {
  let first = true;
  return (event) => {
    const text = renderCsv(event);
    const line = first ? text : text.slice(text.indexOf('\r\n') + 2);
    first = false;
    return line;
  };
};

/** Characters of the columns, so that they stand below each other. */
const NARROWEST = [24, 11, 16, 24, 0];
