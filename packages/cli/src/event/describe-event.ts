import type { Event } from '@holdfast/protocol';
import { formatTime } from '../output/format.ts';
import type { Cell, Column } from '../output/table.ts';
import { severityWord, stateCell } from '../site/words.ts';

export interface EventDescription {
  readonly revision: number;
  readonly time: string;
  readonly severity: string;
  readonly code: string;
  readonly text: string;
  /** What it is about; the name is empty when that is gone. */
  readonly subject: { readonly id: string; readonly name: string } | null;
  readonly actor: string;
}

/** Names of machines, servers and policies by their ids. */
export type Names = ReadonlyMap<string, string>;

/** An event as programs get it. */
export const describeEvent = (event: Event, names: Names): EventDescription => ({
  revision: Number(event.revision),
  time: formatTime(Number(event.unixMillis)),
  severity: severityWord(event.severity),
  code: event.code,
  text: event.text,
  subject: event.subject === '' ? null : { id: event.subject, name: names.get(event.subject) ?? '' },
  actor: event.actor,
});

export const EVENT_COLUMNS: readonly Column[] = [
  { heading: 'TIME' },
  { heading: 'SEVERITY' },
  { heading: 'ABOUT', shrink: true, optional: true },
  { heading: 'CODE', shrink: true, optional: true },
  { heading: 'WHAT', shrink: true },
];

const SHORT_ID = 12;

export const eventRow = ({ time, severity, code, text, subject, actor }: EventDescription): Cell[] => [
  time,
  stateCell(severity),
  subject === null ? '' : subject.name || subject.id.slice(0, SHORT_ID),
  code,
  actor === '' ? text : `${text} (${actor})`,
];
