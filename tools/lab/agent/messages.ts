import type { ErrorCode } from '@holdfast/errors';

/** What the agent's process does, as it is told on its command line (JSON). The same after a kill: everything else is in its logs. */
export interface AgentSettings {
  /** 32 hexadecimal digits. */
  readonly machineId: string;
  readonly disks: readonly AgentDisk[];
  /** URL of the vault's store, and the file with its key. */
  readonly vault: { readonly url: string; readonly keyFile: string };
  /** For the `.hrl`; outside the protected disks. */
  readonly directory: string;
  /** Seconds from point to point. */
  readonly pointEvery: number;
  /** How whole disks are traced; undefined: image files are scanned. */
  readonly trace: TraceSettings | undefined;
}

export interface TraceSettings {
  /** Name of the trace instance and of what is kept in memory. */
  readonly stateName: string;
  /** In a tmpfs. */
  readonly memoryDirectory: string;
  readonly conflictCheck: boolean;
}

/** Where the agent's log is in memory as long as the vault keeps up. */
export const logInMemory = ({ memoryDirectory, stateName }: TraceSettings): string => `${memoryDirectory}/${stateName}-log`;

export interface AgentDisk {
  /** 32 hexadecimal digits, given once and kept for the disk's life. */
  readonly id: string;
  /** `/dev/loop3`, or an image file. */
  readonly path: string;
}

/** What the agent tells the supervisor. */
export type AgentMessage =
  /** Attached to all disks: `resyncs` says for which of them it could not go on, and why. */
  | { readonly type: 'attached'; readonly resyncs: readonly string[] }
  /** The copy of disks that have no state in the vault yet; bytes. */
  | { readonly type: 'copying'; readonly done: number; readonly total: number }
  /** A cut (or a piece of a copy) became durable in the vault. */
  | AgentDurable
  /** No point this time, and why. */
  | { readonly type: 'skipped'; readonly why: string }
  | { readonly type: 'failed'; readonly error: AgentError };

export interface AgentDurable {
  readonly type: 'durable';
  /** A piece of a copy and not a state of the disks. */
  readonly piece: boolean;
  /** Bytes of the disks it brings up to date. */
  readonly changed: number;
  /** Bytes of its frames. */
  readonly sent: number;
  /** When it is a recovery point: its id, and its instant by CLOCK_MONOTONIC in nanoseconds. */
  readonly point: { readonly id: string; readonly instant: string } | undefined;
}

export interface AgentError {
  readonly code: ErrorCode;
  readonly thing: string;
  readonly why: string;
  readonly remedy: string;
}

/** `point`: cut now, not at the next tick. `stop`: what is committed goes to the vault, then the process ends. */
export type AgentOrder = { readonly type: 'point' } | { readonly type: 'stop' };
