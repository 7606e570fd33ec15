import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import { type Event, EventSchema, type EventService, isId, Severity } from '@holdfast/protocol';
import { nameId } from '../enrolment/member-name.ts';
import { find } from '../records/kind.ts';
import { names } from '../records/kinds.ts';
import { requestInvalid } from '../request-invalid.ts';
import type { StateStore, StoredEvent } from '../state/state-store.ts';
import { pagePlace, pageSize, pageToken, REVISION_PLACE } from './paging.ts';
import { checkName } from './resolve.ts';

const SEVERITIES: Readonly<Record<StoredEvent['severity'], Severity>> = {
  information: Severity.INFORMATION,
  warning: Severity.WARNING,
  critical: Severity.CRITICAL,
};

const message = (event: StoredEvent): Event =>
  create(EventSchema, {
    revision: BigInt(event.revision),
    unixMillis: BigInt(event.at),
    severity: SEVERITIES[event.severity],
    code: event.code,
    text: event.text,
    subject: event.subject,
    actor: event.actor,
  });

/** Rows that are looked at for one page; with a filter that little fits, a page is short and the next one goes on. */
const MOST_LOOKED_AT = 5000;
const BATCH = 500;

/** What happened: lists show the newest first, watches go forward. */
export const createEventService = ({ store }: { readonly store: StateStore }): ServiceImpl<typeof EventService> => ({
  async listEvents({ pageSize: wanted, pageToken: token, subject: about, minimumSeverity }) {
    const size = pageSize(wanted);
    const place = pagePlace(token, REVISION_PLACE);
    const subject = about === '' ? undefined : await subjectOf(store, about);
    const found: StoredEvent[] = [];
    let before = place === undefined ? undefined : Number(place);
    let looked = 0;
    for (let limit = size; ; limit = BATCH) {
      const batch = await store.events({
        limit,
        ...(before === undefined ? {} : { before }),
        ...(subject === undefined ? {} : { subject }),
      });
      for (const event of batch) {
        before = event.revision;
        looked += 1;
        if (SEVERITIES[event.severity] >= minimumSeverity) found.push(event);
        if (found.length === size) break;
      }
      if (batch.length < limit && found.length < size) return { events: found.map(message), nextPageToken: '' };
      if (found.length === size || looked >= MOST_LOOKED_AT)
        return { events: found.map(message), nextPageToken: pageToken(String(before)) };
    }
  },
  async *watchEvents({ afterRevision }, { signal }) {
    if (afterRevision > BigInt(Number.MAX_SAFE_INTEGER))
      throw requestInvalid('after_revision', 'it is too large', 'use one that was given');
    for await (const { events } of store.watch(Number(afterRevision), signal)) for (const event of events) yield { event: message(event) };
  },
});

/** The id that events about a name bear. */
const subjectOf = async (store: StateStore, name: string): Promise<string> => {
  checkName(name, 'subject');
  if (isId(name)) return name;
  for (const space of ['machine', 'server', 'policy'] as const) {
    const found = await find(store, names, nameId(space, name));
    if (found !== undefined) return found.value.id;
  }
  throw requestInvalid('subject', 'nothing has this name', 'name a machine, server or policy, or give its id');
};
