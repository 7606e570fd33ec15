import type { Manifest } from '@holdfast/protocol';
import type { MachineFirmware } from '../machine-shape.ts';
import type { Kernel } from './inspect/kernels.ts';
import type { Volume } from './mount/volumes.ts';
import type { StagedTree } from './tree/staged-tree.ts';

/** All that is known of a machine whose disks lie open: what rules look at, and change. */
export interface Guest {
  /** Its file systems put together as it does. */
  readonly tree: StagedTree;
  /** What UEFI firmware reads. */
  readonly esp: StagedTree | undefined;
  readonly root: Volume;
  readonly volumes: readonly Volume[];
  /** Newest first. */
  readonly kernels: readonly Kernel[];
  /** As in os-release. */
  readonly system: { readonly id: string; readonly name: string };
  readonly manifest: Manifest | undefined;
  /** Names of its disks at the source, in the order of the machine. */
  readonly diskNames: readonly string[];
  readonly target: Target;
}

/** Where it is going to run. */
export interface Target {
  readonly firmware: MachineFirmware;
  /** `dhcp`: the network there gives addresses, those of the source lead nowhere. `keep`: it is a network like the source's. */
  readonly addresses: 'dhcp' | 'keep';
  /** Addresses of its network cards there, in the order of `sourceInterfaces`. */
  readonly macs: readonly string[];
  /** For the marker of the agent. */
  readonly pointTime: string;
  readonly now: number;
}

export type Area = 'controller' | 'devices' | 'bootloader' | 'console' | 'network' | 'agent' | 'cloud-init';

/** One line of the report. */
export interface PlanItem {
  readonly area: Area;
  /** `change`: it is changed. `good`: nothing to do. `left`: not changed, and somebody may want to know. `trouble`: it may not start. */
  readonly kind: 'change' | 'good' | 'left' | 'trouble';
  readonly finding: string;
  /** What is done. Only of a change. */
  readonly change?: string;
  readonly why: string;
}

/** Looks at one side of the machine, and stages what has to change. */
export type Rule = (guest: Guest) => Promise<PlanItem[]>;
