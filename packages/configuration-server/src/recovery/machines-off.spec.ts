import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { idBytes, RecoveryKind, RecoveryReportSchema } from '@holdfast/protocol';
import { transact } from '../records/transaction.ts';
import { createMemoryStore } from '../state/memory-store.ts';
import { machinesOff } from './machines-off.ts';
import { type RecoveryRecord, recoveries } from './recovery-record.ts';

const [ID, RUN, MACHINE] = ['a', 'b', 'c'].map((digit) => digit.repeat(32)) as [string, string, string];

const look = async (
  record: Partial<RecoveryRecord> = {},
  report: MessageInitShape<typeof RecoveryReportSchema> = {},
  server = 's1',
): Promise<readonly string[]> => {
  const store = createMemoryStore({ events: 10, audit: 10, changes: 100 });
  const known = { kind: 'failover', machineId: MACHINE, machineName: 'db1', serverId: 's1', runId: RUN, state: 'running' } as const;
  await transact(store, async (transaction) => transaction.put(recoveries, ID, { ...known, ...record } as RecoveryRecord));
  const told = create(RecoveryReportSchema, {
    ...{ id: idBytes(ID), runId: idBytes(RUN), kind: RecoveryKind.FAILOVER },
    machine: { state: 'stopped', console: '/r/console.log' },
    ...(report as object),
  });
  return (await machinesOff(store, { id: server, name: 'gw1' }, [told])).map(({ text }) => text);
};

it('names a machine that was failed over and is off, where, and why where that is known', async () => {
  expect(await look()).toEqual([
    'db1, failed over to gw1, is off: its own system, or somebody on that host, switched it off; its console: /r/console.log',
  ]);
  expect(await look({ state: 'committed' }, { problem: 'recovered machine: this host ended its process' })).toEqual([
    'db1, failed over to gw1, is off: recovered machine: this host ended its process; its console: /r/console.log',
  ]);
});

it('says nothing of one that runs, of a test, of one that is being started or ended, and of what another server or run has left', async () => {
  const quiet = [
    look({}, { machine: { state: 'running', console: '' } }),
    look({ kind: 'test' }, { kind: RecoveryKind.TEST }),
    look({ state: 'starting' }),
    look({ state: 'ending' }),
    look({}, {}, 's2'),
    look({ runId: 'd'.repeat(32) }),
    // Its source is protected again: nobody works with it any more.
    look({ state: 'committed', fenceReleased: 7 }),
  ];
  expect(await Promise.all(quiet)).toEqual(quiet.map(() => []));
});
