import { tmpdir } from 'node:os';
import { create } from '@bufbuild/protobuf';
import { openTestContext } from '@holdfast/daemon/conformance';
import { AgentReportSchema, ServerReportSchema } from '@holdfast/protocol';
import { alerts } from './alerts/alert-record.ts';
import { type AgentPresence, createPresence, type ServerPresence } from './control/presence.ts';
import { createServerMetrics } from './metrics.ts';
import { machines, servers as serverKind } from './records/kinds.ts';
import { transact } from './records/transaction.ts';
import { createMemoryStore } from './state/memory-store.ts';

const MACHINE = 'a'.repeat(32);
const SERVER = 'b'.repeat(32);

it('the numbers of machines and servers are told under their names, and nothing of those that told nothing', async () => {
  const store = createMemoryStore({ events: 10, audit: 10, changes: 10 });
  await transact(store, async (transaction) => {
    transaction.put(machines, MACHINE, { name: 'db1', agentVersion: '1', lastSeen: 0, protectionId: 'c' });
    transaction.put(machines, 'e'.repeat(32), { name: 'silent', agentVersion: '1', lastSeen: 0, protectionId: '' });
    transaction.put(serverKind, SERVER, { name: 'ps1' } as never);
    transaction.put(alerts, 'x', { severity: 'critical', code: 'rpo-exceeded' } as never);
    transaction.put(alerts, 'y', { severity: 'critical', code: 'rpo-exceeded' } as never);
  });
  const agents: AgentPresence = createPresence();
  const servers: ServerPresence = createPresence();
  agents
    .open(MACHINE, {} as never, () => undefined)
    .reported(
      create(AgentReportSchema, {
        newestPointUnixMillis: 5n,
        rpoSeconds: 4,
        pendingBytes: 70n,
        churnSeconds: [9n, 0n, 0n, 0n, 0n, 0n, 0n, 2n],
      }),
    );
  servers
    .open(SERVER, {} as never, () => undefined)
    .reported(
      create(ServerReportSchema, {
        machines: [
          { pendingBytes: 30n, uploadingBytes: 10n, oldestPendingMillis: 2500n },
          { pendingBytes: 5n, oldestPendingMillis: 500n },
        ],
        memoryBytes: 8n,
        memoryUsedBytes: 2n,
      }),
    );
  const { context, stop } = await openTestContext({ settings: {}, stateDirectory: tmpdir() });
  const { metrics } = context;
  createServerMetrics(metrics, { store, agents, servers });
  const page = await metrics.text();
  await stop();
  for (const line of [
    'holdfast_machine_connected{machine="db1"} 1',
    'holdfast_machine_pending_bytes{machine="db1"} 70',
    'holdfast_machine_churn_seconds{machine="db1",below="1"} 9',
    'holdfast_machine_churn_seconds{machine="db1",below="more"} 2',
    'holdfast_server_pending_bytes{server="ps1"} 35',
    'holdfast_server_uploading_bytes{server="ps1"} 10',
    'holdfast_server_backlog_seconds{server="ps1"} 2.5',
    'holdfast_server_memory_used_ratio{server="ps1"} 0.25',
    'holdfast_alerts{severity="critical",code="rpo-exceeded"} 2',
  ])
    expect(page).toContain(`${line}\n`);
  expect(Number(/^holdfast_machine_rpo_seconds\{machine="db1"\} (\S+)$/m.exec(page)?.[1])).toBeGreaterThanOrEqual(4);
  expect(page).not.toContain('silent');
});
