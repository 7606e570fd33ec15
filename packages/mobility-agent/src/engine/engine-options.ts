import type { ReplicationStream } from '@holdfast/protocol';
import type { CopyPaceSettings } from '../capture/copy-pace.ts';
import type { HoldPlaces } from '../consistency/plan-hold.ts';
import type { DiskRegistry, RegisteredDisk } from '../disks/disk-registry.ts';
import type { SenderWaits } from '../sender/sender.ts';
import type { EngineEvent } from './engine.ts';
import type { TraceSettings } from './machine-capture.ts';
import type { MachineLogSettings } from './machine-log.ts';

export interface EngineOptions {
  /** 32 hexadecimal digits: the enrolled id. */
  readonly machineId: string;
  /** Of the agent. */
  readonly version: string;
  /** The agent's state directory. */
  readonly directory: string;
  readonly log: MachineLogSettings;
  readonly trace: TraceSettings;
  /** Milliseconds from point to point, whatever the desired state says. */
  readonly interval: number | undefined;
  readonly waits: SenderWaits;
  /** How writers are held still; undefined where that cannot be done. */
  readonly hold?: HoldPlaces;
  /** How fast disks are copied and compared. */
  readonly copy: CopyPaceSettings;
  /** Milliseconds from comparing some blocks with the vault to the next; 0 for never. */
  readonly checkInterval: number;
  readonly registry: DiskRegistry;
  /** The disks that are there now. */
  findDisks(): Promise<RegisteredDisk[]>;
  connect(address: string): Promise<ReplicationStream>;
  /** Told of each event at once. */
  onEvent(event: EngineEvent): void;
}
