import type { TracedDevice } from './device.ts';
import type { WriteSink, WriteTrace } from './write-trace.ts';

export interface WriteTraceOptions {
  /** 32 hexadecimal digits. */
  readonly machineId: string;
  /** Name of the tracefs instance and of the directory of the tracking memory; `holdfast-<machineId>` if not given. */
  readonly stateName?: string;
  /** A directory in a tmpfs that holds the tracking memory; `/run`, else `/dev/shm`, if not given. */
  readonly memoryDirectory?: string;
  /** Kernel memory for events, shared out over all possible CPUs; taken when the instance is made, not when it is re-opened. */
  readonly bufferBytes: number;
}

/** Whether the dirty set of a disk names every write since it was first attached. */
export type Continuity =
  | { readonly kind: 'continuous' }
  /** Never traced before: nothing is known of its past, tracking starts now. */
  | { readonly kind: 'new' }
  /** Was traced, but writes may be missing: tracking starts anew, with an empty dirty set. */
  | { readonly kind: 'lost'; readonly reason: string };

export interface WriteTraceSession {
  readonly trace: WriteTrace;
  /**
   * Traces a disk, or goes on tracing it; afterwards no write escapes. The index is the disk's in `trace`; it stays over restarts. Does not
   * disturb other disks. A new disk takes about 30 ms: the witness needs a baseline, so rings are drained into `sink` (of all disks).
   */
  attach(device: TracedDevice, sink: WriteSink): { readonly index: number; readonly continuity: Continuity };
  /** Stops tracing a disk and forgets it. */
  detach(index: number): void;
  /** Forgets the disks that were traced before a restart and have not been attached since; until then they go on being traced, unreported. */
  detachOthers(): void;
  /** Closes, removes the tracefs instance and the tracking memory: nothing is continuous afterwards. `trace.close()` alone keeps both. */
  destroy(): void;
}

/**
 * Opens the machine's write trace: goes on with the instance and the tracking memory a former process left, if the kernel's counters prove
 * that not one event is missing, else starts anew (then `attach` says for which disks continuity is lost and why). After CONTINUITY_LOST
 * of a single disk (`thing` is its path) detach and attach it; when it names the instance, `destroy` and create again. After any error of
 * `drain`, also one thrown by the sink, the trace accepts nothing but `close` and `destroy`.
 *
 * Throws TRACEFS_UNAVAILABLE, NO_PERMISSION, SETTING_INVALID, NO_SPACE (tmpfs full), AGENT_RUNNING (another process holds the trace).
 * `attach` throws DEVICE_UNSUPPORTED (more than 64 disks, ...), NO_SPACE.
 */
export declare const createWriteTrace: (options: WriteTraceOptions) => WriteTraceSession;
