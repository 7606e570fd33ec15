import type { ServiceImpl } from '@connectrpc/connect';
import { type AuditService, isId } from '@holdfast/protocol';
import { pagePlace, pageSize, pageToken, REVISION_PLACE } from '../api/paging.ts';
import { requestInvalid } from '../request-invalid.ts';
import type { StateStore } from '../state/state-store.ts';

/** Who did what. */
export const createAuditService = ({ store }: { readonly store: StateStore }): ServiceImpl<typeof AuditService> => ({
  async listAudit({ pageSize: wanted, pageToken: token, subject }) {
    if (subject !== '' && !isId(subject)) throw requestInvalid('subject', 'it is no id', 'give the id of what was changed');
    const size = pageSize(wanted);
    const place = pagePlace(token, REVISION_PLACE);
    const found = await store.audit({
      limit: size + 1,
      ...(place === undefined ? {} : { before: Number(place) }),
      ...(subject === '' ? {} : { subject }),
    });
    const rows = found.slice(0, size);
    return {
      records: rows.map(({ revision, at, ...record }) => ({ ...record, revision: BigInt(revision), unixMillis: BigInt(at) })),
      nextPageToken: pageToken(found.length > size ? String(rows.at(-1)!.revision) : undefined),
    };
  },
});
