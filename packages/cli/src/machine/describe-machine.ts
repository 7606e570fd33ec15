import { type Disk, type DiskReport, idText, type Machine, type Policy, type Protection, type Server } from '@holdfast/protocol';
import { describeProof, type ProofDescription } from '../proof/describe-proof.ts';
import { describeTarget, type TargetDescription } from '../protection/target.ts';
import { instant } from '../site/times.ts';
import { directionWord, diskPhaseWord, healthWord, protectionStateWord } from '../site/words.ts';

export interface DiskDescription {
  readonly id: string;
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly phase: string;
  /** Bytes of the first copy or resynchronization; null where the agent tells none. */
  readonly copied: number | null;
  /** Its copy or resynchronization rests because somebody wants it to. */
  readonly paused: boolean;
  readonly excluded: boolean;
  readonly problem: { readonly code: string; readonly text: string } | null;
}

interface Reference {
  readonly id: string;
  readonly name: string;
}

export interface ProtectionDescription {
  readonly id: string;
  readonly version: number;
  readonly state: string;
  readonly detail: string;
  readonly direction: string;
  readonly vault: string;
  readonly policy: Reference;
  readonly processServer: Reference | null;
  /** As what it is recovered, unless a failover or a plan says something else. */
  readonly target: TargetDescription;
}

export interface MachineDescription {
  readonly id: string;
  readonly version: number;
  readonly name: string;
  readonly health: string;
  readonly connected: boolean;
  readonly lastSeen: string | null;
  readonly agentVersion: string;
  readonly operatingSystem: string;
  readonly processors: number;
  readonly memory: number;
  readonly protection: ProtectionDescription | null;
  readonly rpoSeconds: number | null;
  readonly newestPoint: string | null;
  /** Made and durable since it is protected; those that retention let go are in it, those of an earlier protection are not. */
  readonly points: number;
  readonly pendingBytes: number;
  /** Bytes on their way, by where they are: of disk at the source alone, in the journal of a process server, and of these on their way into the store. */
  readonly pending: { readonly source: number; readonly processServer: number; readonly storage: number };
  /** Seconds since its agent started in which so many MB of disk changed: less than `below`; null: more than all before. */
  readonly churn: readonly { readonly below: number | null; readonly seconds: number }[];
  readonly peakChurnBytesPerSecond: number;
  /** Why it reaches no process server, and for how long; null where it does. */
  readonly withoutServer: { readonly seconds: number; readonly problem: string } | null;
  readonly changedBytesPerSecond: number;
  readonly sentBytesPerSecond: number;
  readonly disks: readonly DiskDescription[];
  /** The newest proof of a point that passed, and the newest of all; null where there is none. */
  readonly lastProven: ProofDescription | null;
  readonly lastProof: ProofDescription | null;
}

/** What is known besides the machine itself. */
export interface Neighbourhood {
  readonly protections: readonly Protection[];
  readonly policies: readonly Policy[];
  readonly servers: readonly Server[];
}

/** A machine as programs get it. */
export const describeMachine = (machine: Machine, around: Neighbourhood): MachineDescription => {
  const { manifest, report } = machine;
  const protection = around.protections.find(({ id }) => id === machine.protectionId);
  const newest = report?.newestPointUnixMillis ?? 0n;
  return {
    id: machine.id,
    version: Number(machine.version),
    name: machine.name,
    health: healthWord(machine.health),
    connected: machine.connected,
    lastSeen: instant(machine.lastSeenUnixMillis),
    agentVersion: machine.agentVersion,
    operatingSystem: manifest?.operatingSystem?.prettyName ?? '',
    processors: manifest?.processors ?? 0,
    memory: Number(manifest?.memoryBytes ?? 0n),
    protection: protection === undefined ? null : describeProtection(protection, around),
    rpoSeconds: newest === 0n ? null : (report?.rpoSeconds ?? null),
    newestPoint: instant(newest),
    points: Number(report?.points ?? 0n),
    pendingBytes: Number(report?.pendingBytes ?? 0n),
    pending: describePending(machine, around),
    churn: (report?.churnSeconds ?? []).map((seconds, index) => ({ below: CHURN_BOUNDS[index] ?? null, seconds: Number(seconds) })),
    peakChurnBytesPerSecond: Number(report?.peakChurnBytesPerSecond ?? 0n),
    withoutServer:
      report === undefined || report.secondsWithoutServer === 0
        ? null
        : { seconds: Math.round(report.secondsWithoutServer), problem: report.serverProblem },
    changedBytesPerSecond: Number(report?.changedBytesPerSecond ?? 0n),
    sentBytesPerSecond: Number(report?.sentBytesPerSecond ?? 0n),
    disks: describeDisks(machine, protection),
    lastProven: describeProof(machine.lastProven),
    lastProof: describeProof(machine.lastProof),
  };
};

/** Megabytes a second; as agents count them (docs of the protocol, AgentReport.churn_seconds). */
const CHURN_BOUNDS: readonly number[] = [1, 2, 5, 10, 20, 54, 100];

/** Of the process server, what the one tells that has most: after a move the former one may still have some. */
const describePending = ({ id, report }: Machine, { servers }: Neighbourhood): MachineDescription['pending'] => {
  const told = servers.flatMap((server) => server.report?.machines ?? []).filter(({ machineId }) => idText(machineId) === id);
  const most = (of: (machine: (typeof told)[number]) => bigint): number => Math.max(0, ...told.map((machine) => Number(of(machine))));
  return {
    source: Number(report?.sourceBytes ?? 0n),
    processServer: most(({ pendingBytes }) => pendingBytes),
    storage: most(({ uploadingBytes }) => uploadingBytes),
  };
};

const describeProtection = (protection: Protection, { policies, servers }: Neighbourhood): ProtectionDescription => ({
  id: protection.id,
  version: Number(protection.version),
  state: protectionStateWord(protection.state),
  detail: protection.stateDetail,
  direction: directionWord(protection.direction),
  vault: protection.vault,
  policy: reference(protection.policyId, policies),
  processServer: protection.processServerId === '' ? null : reference(protection.processServerId, servers),
  target: describeTarget(protection.target),
});

const reference = (id: string, among: readonly Reference[]): Reference => ({ id, name: among.find((one) => one.id === id)?.name ?? '' });

/** The disks of a machine in its own order: those of its manifest, and any that only its report tells of. */
const describeDisks = ({ manifest, report }: Machine, protection: Protection | undefined): DiskDescription[] => {
  const reports = new Map((report?.disks ?? []).map((disk) => [idText(disk.diskId), disk]));
  const known = [...(manifest?.disks ?? [])].sort((a, b) => a.order - b.order).map((disk) => [idText(disk.id), disk] as const);
  const told = [...reports.keys()].filter((id) => !known.some(([other]) => other === id)).map((id) => [id, undefined] as const);
  return [...known, ...told].map(([id, disk]) =>
    describeDisk(id, disk, reports.get(id), protection?.excludedDiskIds.includes(id) ?? false),
  );
};

const describeDisk = (id: string, disk: Disk | undefined, report: DiskReport | undefined, excluded: boolean): DiskDescription => ({
  id,
  name: disk?.name ?? '',
  size: Number(disk?.size ?? report?.size ?? 0n),
  phase: report === undefined ? 'unprotected' : diskPhaseWord(report.phase),
  copied: report === undefined ? null : Number(report.copiedBytes),
  paused: report?.paused ?? false,
  excluded,
  problem: report === undefined || report.problemCode === '' ? null : { code: report.problemCode, text: report.problem },
});
