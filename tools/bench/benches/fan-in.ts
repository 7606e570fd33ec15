import path from 'node:path';
import type { Bench, BenchContext } from '../bench.ts';
import { type FanIn, measureFanIn } from '../fan-in/measure-fan-in.ts';
import { createRow, type Promised, type Row } from '../row.ts';

const FLEETS = [50, 100, 200] as const;
const IDLE_AGENTS = 2000;
const INTERVAL_MS = 5000;
/** So many blocks written between two cuts are 100 KB/s on the wire: half of each block does not compress. */
const CHANGED_BLOCKS = 250;

const row = (measure: string, unit: string, value: number, promised: Promised = {}): Row =>
  createRow({ measure, unit }, [value], undefined, promised);

/** CPU of the server for each agent, by the number of agents. */
type Costs = Map<number, number>;

const busy = async (agents: number, { directory, note }: BenchContext, costs: Costs): Promise<Row[]> => {
  const found = await measureFanIn({
    directory: path.join(directory, `busy-${agents}`),
    agents,
    diskBlocks: 1024,
    changedBlocks: CHANGED_BLOCKS,
    intervalMs: INTERVAL_MS,
    rampMs: 20,
    settleMs: 5000,
    measureMs: 30_000,
    note,
  });
  tell(found, agents, note);
  const isMost = agents === FLEETS.at(-1);
  costs.set(agents, found.cpuShare / agents);
  const [few] = costs.keys();
  return [
    row(`${agents} agents: sent by each`, 'KB/s', found.sentBytes / 1000 / 30 / agents),
    row(`${agents} agents: CPU`, 'cores', found.cpuShare),
    row(`${agents} agents: CPU for each`, 'millicores', (1000 * found.cpuShare) / agents),
    row(`${agents} agents: RPO p95`, 's', found.rpo95, isMost ? { goal: { atMost: 15 } } : {}),
    row(`${agents} agents: RSS at most`, 'MB', found.residentMB, isMost ? { goal: { atMost: 1000 } } : {}),
    // Linear: an agent among many costs no more than among few.
    ...(isMost && few === FLEETS[0]
      ? [row(`CPU of an agent among ${agents} / among ${few}`, 'x', costs.get(agents)! / costs.get(few)!, { goal: { atMost: 1.2 } })]
      : []),
  ];
};

/** With the keeper, to which all machines are new: it takes one after the other, more often than it does later. */
const idle = async ({ directory, note }: BenchContext): Promise<Row[]> => {
  const found = await measureFanIn({
    directory: path.join(directory, 'idle'),
    agents: IDLE_AGENTS,
    diskBlocks: 16,
    changedBlocks: 0,
    intervalMs: INTERVAL_MS,
    rampMs: 15,
    settleMs: 10_000,
    // As long as cuts of an idle machine are gathered: each puts one object in it.
    measureMs: 120_000,
    note,
  });
  tell(found, IDLE_AGENTS, note);
  return [
    row(`${IDLE_AGENTS} idle agents: CPU`, 'cores', found.cpuShare, { goal: { atMost: 0.2 } }),
    row(`${IDLE_AGENTS} idle agents: objects`, 'PUT/s', found.putsPerSecond, { goal: { atMost: 40 } }),
    row(`${IDLE_AGENTS} idle agents: RPO p95`, 's', found.rpo95, { goal: { atMost: 15 } }),
    row(`${IDLE_AGENTS} idle agents: RSS at most`, 'MB', found.residentMB),
  ];
};

const tell = (
  { cuts, cpuShare, residentMB, rpoMedian, rpo95, putsPerSecond, errorCount, errors }: FanIn,
  agents: number,
  note: BenchContext['note'],
) =>
  note(
    `${agents} agents: ${cuts} cuts, ${cpuShare.toFixed(2)} cores, ${residentMB.toFixed(0)} MB, RPO ${rpoMedian.toFixed(1)} / ${rpo95.toFixed(1)} s, ` +
      `${putsPerSecond.toFixed(1)} PUT/s${errorCount === 0 ? '' : `; ${errorCount} errors: ${errors.join(' | ')}`}`,
  );

const PARTS: Readonly<Record<string, (context: BenchContext, costs: Costs) => Promise<Row[]>>> = {
  ...Object.fromEntries(FLEETS.map((agents) => [String(agents), (context: BenchContext, costs: Costs) => busy(agents, context, costs)])),
  idle,
};

/** Many simulated agents on one process server with its own settings, mutual TLS, fsync'd journal, a folder as the store. CPU is the server's alone. */
export const bench: Bench = {
  name: 'fan-in',
  about: 'one process server under 50, 100 and 200 agents that send 100 KB/s each, and under 2,000 idle ones',
  parts: Object.keys(PARTS),
  tools: [],
  run: async (context) => {
    const rows: Row[] = [];
    const costs: Costs = new Map();
    for (const [name, measure] of Object.entries(PARTS)) if (context.wants(name)) rows.push(...(await measure(context, costs)));
    return rows;
  },
};
