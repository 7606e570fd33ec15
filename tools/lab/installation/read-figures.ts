import type { Person } from '../../site/cli-process.ts';

/** A machine as `holdfast machine show` tells of it; times in milliseconds since 1970. */
export interface MachineShown {
  readonly connected: boolean;
  readonly state: string;
  readonly newestPoint: number | undefined;
  readonly points: number;
  readonly disks: readonly { readonly id: string; readonly name: string; readonly size: number; readonly copied: number }[];
}

/** Counters of an agent since it started. */
export interface AgentCounters {
  readonly changedBytes: number;
  readonly sentBytes: number;
  readonly conflicts: number;
}

interface MachineJson {
  readonly connected: boolean;
  readonly protection: { readonly state: string } | null;
  readonly newestPoint: string | null;
  readonly points: number;
  readonly disks: readonly { readonly id: string; readonly name: string; readonly size: number; readonly copied: number | null }[];
}

/** What the installation says of the machine, by its own command line. */
export const readMachine = async (person: Person, machineId: string, stop: AbortSignal): Promise<MachineShown> => {
  const { connected, protection, newestPoint, points, disks } = await person.look<MachineJson>(['machine', 'show', machineId], stop);
  return {
    connected,
    state: protection?.state ?? 'unprotected',
    newestPoint: newestPoint === null ? undefined : Date.parse(newestPoint),
    points,
    disks: disks.map((disk) => ({ ...disk, copied: disk.copied ?? 0 })),
  };
};

const LONGEST_ANSWER_MS = 2000;

const counterIn = (text: string, name: string): number => Number(new RegExp(`^holdfast_agent_${name} (\\S+)$`, 'm').exec(text)?.[1] ?? 0);

/** The counters in what an agent says at `/metrics`. */
export const countersIn = (text: string): AgentCounters => ({
  changedBytes: counterIn(text, 'changed_bytes_total'),
  sentBytes: counterIn(text, 'sent_bytes_total'),
  conflicts: counterIn(text, 'cut_conflicts_total'),
});

/** Undefined while there is no agent to ask. */
export const readCounters = async (metrics: URL): Promise<AgentCounters | undefined> => {
  try {
    return countersIn(await (await fetch(metrics, { signal: AbortSignal.timeout(LONGEST_ANSWER_MS) })).text());
  } catch {
    return undefined;
  }
};
