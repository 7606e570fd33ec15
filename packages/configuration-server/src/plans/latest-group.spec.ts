import { create } from '@bufbuild/protobuf';
import { newId, ProtectionSchema } from '@holdfast/protocol';
import { machines as machineKind, protections } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { createMemoryStore } from '../state/memory-store.ts';
import { findGroupInstant } from './latest-group.ts';
import type { PlanRunRecord } from './plan-record.ts';

describe('the newest instant of many machines', () => {
  it('asks for all machines at the same time, as far as it may', async () => {
    const { signal } = new AbortController();
    const store = createMemoryStore({ events: 1, audit: 1, changes: 100 });
    const ids = Array.from({ length: 30 }, newId);
    await transact(store, async (transaction) => {
      for (const id of ids) {
        transaction.put(machineKind, id, { name: id, agentVersion: '', lastSeen: 0, protectionId: id });
        transaction.put(protections, id, create(ProtectionSchema, { machineId: id, vault: 'office' }));
      }
    });
    let [now, most, asked] = [0, 0, 0];
    const questions = {
      async ask() {
        now += 1;
        asked += 1;
        most = Math.max(most, now);
        await new Promise(setImmediate);
        now -= 1;
        return { points: [{ id: 'a'.repeat(32), unixMillis: 5000n }] };
      },
    };
    const machines = ids.map((machineId) => ({ machineId, name: machineId }));
    const record = { kind: 'test', plan: { groups: [] }, machines } as unknown as PlanRunRecord;
    const found = await findGroupInstant({ store, questions } as never, record, { signal, progress: () => undefined });
    expect([found.chosen.size, asked, most]).toEqual([30, 60, 8]);
  });
});
