import { create } from '@bufbuild/protobuf';
import { Direction, idBytes, LineStateSchema, newId, ProtectionSchema, ProtectionState } from '@holdfast/protocol';
import { machines, protections } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { createMemoryStore } from '../state/memory-store.ts';
import { lineDifferences, takeLines } from './lines.ts';

describe('what the logs of machines say', () => {
  it('differs until a failover that was not known is taken up: nothing ends before', async () => {
    const store = createMemoryStore({ events: 100, audit: 100, changes: 100 });
    const [machineId, protectionId] = [newId(), newId()];
    const { PROTECTED: state } = ProtectionState;
    await transact(store, async (transaction) => {
      transaction.put(machines, machineId, { name: 'web1', agentVersion: '', lastSeen: 0, protectionId });
      transaction.put(
        protections,
        protectionId,
        create(ProtectionSchema, { machineId, policyId: newId(), vault: 'office', direction: Direction.FORWARD, state }),
      );
    });
    const line = (over: object = {}) => create(LineStateSchema, { machineId: idBytes(machineId), vault: 'office', term: 3n, ...over });
    expect(await lineDifferences(store, [line()], 0)).toEqual([]);
    const over = line({ failoverOperationId: idBytes(newId()), failoverPointId: idBytes(newId()) });
    expect(await lineDifferences(store, [over], 0)).toEqual([expect.stringContaining('web1 is failed over, says its vault office')]);
    await takeLines(store, [over]);
    expect(await lineDifferences(store, [over], 0)).toEqual([]);
  });
});
