import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import { HoldfastError } from '@holdfast/errors';
import { type Alert, AlertSchema, type AlertService, isId, Severity } from '@holdfast/protocol';
import { pagePlace, pageSize, pageToken } from '../api/paging.ts';
import { personOf } from '../listener/caller.ts';
import type { Stored } from '../records/kind.ts';
import { type Transaction, transact } from '../records/transaction.ts';
import { requestInvalid } from '../request-invalid.ts';
import type { StateStore } from '../state/state-store.ts';
import type { AlertEngine } from './alert-engine.ts';
import { type AlertRecord, alerts } from './alert-record.ts';

const LONGEST_SILENCE = 30 * 24 * 3600;
const ROW_PLACE = /^\d{1,6}$/;

const byGravity = (a: Stored<AlertRecord>, b: Stored<AlertRecord>): number =>
  Number(b.value.severity === 'critical') - Number(a.value.severity === 'critical') ||
  a.value.since - b.value.since ||
  (a.id < b.id ? -1 : 1);

/** What is not well now. */
export const createAlertService = ({
  store,
  alerting,
}: {
  readonly store: StateStore;
  readonly alerting: AlertEngine;
}): ServiceImpl<typeof AlertService> => {
  const message = (alert: Stored<AlertRecord>): Alert => {
    const { severity, code, subject, subjectName, since, acknowledgedBy, acknowledgedAt, silencedBy, silencedUntil } = alert.value;
    const silenced = silencedUntil > Date.now();
    return create(AlertSchema, {
      id: alert.id,
      severity: severity === 'critical' ? Severity.CRITICAL : Severity.WARNING,
      code,
      subject,
      subjectName,
      text: alerting.textOf(alert),
      sinceUnixMillis: BigInt(since),
      acknowledgedBy,
      acknowledgedUnixMillis: BigInt(acknowledgedAt),
      silencedBy: silenced ? silencedBy : '',
      silencedUntilUnixMillis: silenced ? BigInt(silencedUntil) : 0n,
    });
  };

  const change = async (
    id: string,
    body: (alert: AlertRecord, transaction: Transaction) => AlertRecord,
  ): Promise<{ readonly alert: Alert }> => {
    const { revision, result } = await transact(store, async (transaction) => {
      const stored = isId(id) ? await transaction.read(alerts, id) : undefined;
      if (stored === undefined)
        throw new HoldfastError('RESOURCE_NOT_FOUND', {
          thing: `alert ${id.slice(0, 64)}`,
          why: 'there is none of this id; it may be over',
          remedy: 'list what there is with `holdfast alert list`',
        });
      const value = body(stored.value, transaction);
      transaction.put(alerts, id, value);
      return { ...stored, value };
    });
    await alerting.look();
    return { alert: message({ ...result, version: revision }) };
  };

  return {
    async listAlerts({ pageSize: wanted, pageToken: token, subject }) {
      if (subject !== '' && !isId(subject)) throw requestInvalid('subject', 'it is no id', 'give the id of a machine or server');
      const size = pageSize(wanted);
      const from = Number(pagePlace(token, ROW_PLACE) ?? 0);
      const rows = alerting
        .current()
        .filter(({ value }) => subject === '' || value.subject === subject)
        .toSorted(byGravity);
      const to = from + size;
      return { alerts: rows.slice(from, to).map(message), nextPageToken: pageToken(to < rows.length ? String(to) : undefined) };
    },
    acknowledgeAlert({ id }, { values }) {
      const { name: actor } = personOf(values);
      return change(id, (alert, transaction) => {
        transaction.audit({ actor, action: 'AcknowledgeAlert', subject: alert.subject, detail: alert.code });
        return { ...alert, acknowledgedBy: actor, acknowledgedAt: Date.now() };
      });
    },
    silenceAlert({ id, seconds }, { values }) {
      const { name: actor } = personOf(values);
      if (seconds > LONGEST_SILENCE)
        throw requestInvalid('seconds', `${seconds} is above ${LONGEST_SILENCE}`, 'silence it for less, and look after it');
      return change(id, (alert, transaction) => {
        transaction.audit({ actor, action: 'SilenceAlert', subject: alert.subject, detail: `${alert.code} for ${seconds} s` });
        return { ...alert, silencedBy: seconds === 0 ? '' : actor, silencedUntil: seconds === 0 ? 0 : Date.now() + seconds * 1000 };
      });
    },
  };
};
