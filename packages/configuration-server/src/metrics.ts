import type { Metrics } from '@holdfast/daemon';
import type { AgentPresence, ServerPresence } from './control/presence.ts';
import type { StateStore } from './state/state-store.ts';

export interface ServerMetrics {
  /** A call ended. */
  call(method: string, outcome: string): void;
}

/** The numbers of a configuration server. */
export const createServerMetrics = (
  metrics: Metrics,
  { store, agents, servers }: { readonly store: StateStore; readonly agents: AgentPresence; readonly servers: ServerPresence },
): ServerMetrics => {
  const calls = metrics.counter({ name: 'calls_total', help: 'Calls that ended, by method and outcome', labels: ['method', 'outcome'] });
  metrics.gauge({
    name: 'machines_connected',
    help: 'Machines with a control stream',
    collect: (gauge) => gauge.set(agents.connected().length),
  });
  metrics.gauge({
    name: 'servers_connected',
    help: 'Servers with a control stream',
    collect: (gauge) => gauge.set(servers.connected().length),
  });
  metrics.gauge({ name: 'state_revision', help: 'Newest revision of the state', collect: (gauge) => gauge.set(store.revision()) });
  return { call: (method, outcome) => calls.inc({ method, outcome }) };
};
