import { create } from '@bufbuild/protobuf';
import { idBytes, LineStateSchema, ProtectionSchema, ProtectionState } from '@holdfast/protocol';
import { machines, protections } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { createMemoryStore } from '../state/memory-store.ts';
import { lineDifferences } from './lines.ts';

const [MACHINE, PROTECTION] = ['a'.repeat(32), 'c'.repeat(32)];

/** What differs, of a machine in a state whose vault says of a failover, or of none. */
const differences = async (state: ProtectionState, operation: Uint8Array): Promise<readonly string[]> => {
  const store = createMemoryStore({ events: 10, audit: 10, changes: 100 });
  await transact(store, async (transaction) => {
    transaction.put(machines, MACHINE, { name: 'web1', agentVersion: '1', lastSeen: 0, protectionId: PROTECTION });
    transaction.put(protections, PROTECTION, create(ProtectionSchema, { machineId: MACHINE, vault: 'office', state }));
  });
  const line = create(LineStateSchema, { machineId: idBytes(MACHINE), vault: 'office', failoverOperationId: operation });
  return lineDifferences(store, [line], 0);
};

// What a backup wants of a machine would be carried out again: its source fenced, and an old point started.
it.each(['FAILING_OVER', 'FAILED_OVER', 'COMMITTING', 'COMMITTED'] as const)(
  'tells people of a failover that a backup knows as %s and that has ended since',
  async (state) => {
    expect(await differences(ProtectionState[state], new Uint8Array())).toEqual([expect.stringContaining('has ended')]);
    expect(await differences(ProtectionState[state], idBytes('d'.repeat(32)))).toEqual([]);
  },
);
