import { randomBytes } from 'node:crypto';
import type { Manifest } from '@holdfast/protocol';
import type { DiskController, MachineFirmware, NetworkModel } from '../machine-shape.ts';
import type { Guest, PlanItem, Rule } from './guest.ts';
import { readKernels } from './inspect/kernels.ts';
import type { OpenGuest } from './mount/open-guest.ts';
import { agentRule } from './rules/agent.ts';
import { bootloaderRule } from './rules/bootloader.ts';
import { cloudInitRule } from './rules/cloud-init.ts';
import { consoleRule } from './rules/console.ts';
import { devicesRule } from './rules/devices.ts';
import { chooseHardware } from './rules/hardware.ts';
import { networkRule, sourceInterfaces } from './rules/network.ts';
import { readable, readText } from './tree/guest-tree.ts';
import { type FileEdit, stagedTree } from './tree/staged-tree.ts';

export interface PlanOptions {
  readonly manifest: Manifest | undefined;
  /** Names of the disks at the source, in the order of the machine. */
  readonly diskNames: readonly string[];
  readonly firmware: MachineFirmware;
  readonly addresses: 'dhcp' | 'keep';
  readonly pointTime: string;
  readonly now: number;
}

/** What was found in a machine, and what has to change so that it starts on other hardware. Nothing is changed yet. */
export interface AdaptationPlan {
  /** `Debian GNU/Linux 12 (bookworm)`; empty when no Linux was found. */
  readonly system: string;
  readonly items: readonly PlanItem[];
  /** Undefined: whatever is usual. */
  readonly controller: DiskController | undefined;
  readonly networkModel: NetworkModel | undefined;
  /** Hardware addresses its network cards must get, in the order of `sourceInterfaces`. */
  readonly macs: readonly string[];
  readonly edits: readonly FileEdit[];
  /** On what UEFI firmware reads. */
  readonly espEdits: readonly FileEdit[];
}

const RULES: readonly Rule[] = [devicesRule, bootloaderRule, consoleRule, networkRule, cloudInitRule, agentRule];

/** Looks at a machine whose disks lie open, and says what to change. */
export const planAdaptation = async (open: OpenGuest, options: PlanOptions): Promise<AdaptationPlan> => {
  const macs = sourceInterfaces(options.manifest).map(newMac);
  const notes = open.notes.map((finding): PlanItem => ({ area: 'devices', kind: 'left', finding, why: 'what is there was not looked at' }));
  if (open.linux === undefined) {
    const finding = 'no Linux whose root can be read was found on its disks';
    const why = 'other systems, and roots inside of RAID, encryption, or mirrored and thin volumes of LVM, are started as they are';
    const nothing = { controller: undefined, networkModel: undefined, macs: [], edits: [], espEdits: [] };
    return { system: '', items: [{ area: 'devices', kind: 'left', finding, why }, ...notes], ...nothing };
  }
  const tree = stagedTree(open.linux.tree);
  const esp = open.esp && stagedTree(open.esp);
  const { manifest, diskNames, ...target } = options;
  const guest: Guest = {
    tree,
    esp,
    root: open.linux.root,
    volumes: open.volumes,
    kernels: await readKernels(tree),
    system: await readSystem(tree),
    manifest,
    diskNames,
    target: { ...target, macs },
  };
  // Before names of disks are changed: a root whose own initramfs knows one name only decides for a controller.
  const { controller, networkModel, items: hardware } = await chooseHardware(guest);
  const items: PlanItem[] = [...hardware];
  for (const rule of RULES) items.push(...(await rule(guest)));
  return {
    system: guest.system.name,
    items: [...items, ...notes],
    controller,
    networkModel,
    macs,
    edits: tree.edits(),
    espEdits: esp?.edits() ?? [],
  };
};

/** Makes the changes. */
export const applyAdaptation = async (open: OpenGuest, plan: AdaptationPlan): Promise<void> => {
  for (const [tree, edits] of [
    [open.linux?.tree, plan.edits],
    [open.esp, plan.espEdits],
  ] as const)
    for (const { path, content, mode } of edits) {
      if (content === undefined) await tree?.remove(path);
      else await tree?.write(path, content, mode);
    }
};

/** Of the report: much of it are words out of the machine, and it is kept, sent and shown on terminals. */
const LONGEST_LINE = 500;
const MOST_LINES = 200;

const printable = (line: string): string =>
  readable(line)
    .slice(0, LONGEST_LINE)
    .replaceAll(/\p{Cc}/gu, '?');

/** The report as lines for people. */
export const describePlan = ({ system, items }: AdaptationPlan): string[] => {
  const lines = [
    ...(system === '' ? [] : [system]),
    ...items.map(
      ({ area, kind, finding, change, why }) => `${area}: ${kind}: ${finding}${change === undefined ? '' : ` -> ${change}`} (${why})`,
    ),
  ].map(printable);
  return lines.length <= MOST_LINES ? lines : [...lines.slice(0, MOST_LINES), `and ${lines.length - MOST_LINES} more`];
};

const readSystem = async (tree: Guest['tree']): Promise<Guest['system']> => {
  const text = (await readText(tree, '/etc/os-release')) ?? (await readText(tree, '/usr/lib/os-release')) ?? '';
  const say = (key: string): string => new RegExp(`^${key}=["']?(.*?)["']?$`, 'm').exec(text)?.[1] ?? '';
  return { id: say('ID'), name: readable(say('PRETTY_NAME')) || 'a Linux that does not say its name' };
};

/** Of QEMU's, and of nobody's card. */
const newMac = (): string => ['52', '54', '00', ...randomBytes(3).toString('hex').match(/../g)!].join(':');
