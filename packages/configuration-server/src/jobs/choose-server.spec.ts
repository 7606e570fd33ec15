import { create } from '@bufbuild/protobuf';
import { type ServerReport, ServerReportSchema } from '@holdfast/protocol';
import { createPresence, type ServerPresence } from '../control/presence.ts';
import { assignments } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { createMemoryStore } from '../state/memory-store.ts';
import { leastLoaded } from './choose-server.ts';

const open = async (machines: Readonly<Record<string, number>>, reports: Readonly<Record<string, ServerReport>>) => {
  const store = createMemoryStore({ events: 10, audit: 10, changes: 10 });
  await transact(store, async (transaction) => {
    for (const [server, count] of Object.entries(machines))
      for (let index = 0; index < count; index += 1) transaction.put(assignments, `${server}/${index}`, { vault: 'v', machineName: 'm' });
  });
  const presence: ServerPresence = createPresence();
  for (const server of Object.keys(machines)) {
    const session = presence.open(server, {} as never, () => undefined);
    if (reports[server] !== undefined) session.reported(reports[server]);
  }
  return leastLoaded(store, presence, Object.keys(machines));
};

const journal = (used: bigint) => create(ServerReportSchema, { journalUsedBytes: used, journalQuotaBytes: 100n });

describe('the server for a machine', () => {
  it('is the one with the fewest', async () => {
    expect(await open({ a: 3, b: 1, c: 2 }, { b: journal(60n) })).toBe('b');
    expect(await open({}, {})).toBeUndefined();
  });

  it('keeps up with what it receives, if one does', async () => {
    expect(await open({ a: 3, b: 1 }, { b: journal(80n) })).toBe('a');
    const late = create(ServerReportSchema, { machines: [{ oldestPendingMillis: 400_000n }] });
    expect(await open({ a: 3, b: 1 }, { b: late })).toBe('a');
    expect(await open({ a: 3, b: 1 }, { a: journal(90n), b: late })).toBe('b');
  });
});
