import { isHoldfastError } from '@holdfast/errors';
import { idText, type PartRef, type RunRef } from '@holdfast/protocol';
import { GONE, ObjectCheck, placedBySlot } from './check-object.ts';
import { type Clock, systemClock } from './clock.ts';
import type { Finding } from './finding.ts';
import type { MachineHistory } from './history.ts';
import { listedSlots, slotsToRead } from './log-gap.ts';
import { OBJECT_KIND } from './object-header.ts';
import { slotName } from './object-names.ts';
import { readMachine } from './read-machine.ts';
import { readWhole } from './read-object.ts';
import { referencedName } from './referenced-object.ts';
import { createScrubRecord, NEVER_SCRUBBED, readScrubRecord, type ScrubProgress } from './scrub-record.ts';
import { parseSlot } from './slot.ts';
import type { Vault } from './vault.ts';

export interface ScrubOptions {
  /** Stops behind the object with which so many bytes were read; without it at the end of the round. */
  readonly bytes?: number;
  /** Begins a round although one is under way. */
  readonly fresh?: boolean;
  /** Bytes after which the progress is recorded in the vault, 1 GiB unless told. */
  readonly recordEvery?: number;
  /** Stops behind the object under way; what was read is recorded. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly bytes: number; readonly total: number }) => void;
  readonly clock?: Clock;
}

export interface ScrubReport extends ScrubProgress {
  /** Bytes read by this call. */
  readonly read: number;
  /** Bytes that the round has to read in all, as far as is known now. */
  readonly total: number;
  /** False when the vault may not be written: the next one begins where this one did. */
  readonly isRecorded: boolean;
  /** What was read: to find out which points a finding concerns. */
  readonly history: MachineHistory;
}

/** An object, and how it is checked. */
export interface CheckedItem {
  readonly name: string;
  readonly size: number;
  check(): Promise<void>;
}

const GIB = 1024 ** 3;

/**
 * Reads and verifies the objects of a machine, in the order of their names, and goes on where the last one stopped: so that everything is read again and
 * again, at whatever pace the store was wrapped for. Finds what has rotted; changes nothing. Several may do so at the same time. Errors:
 * MACHINE_NOT_FOUND, STORE_UNAVAILABLE.
 */
export const scrubMachine = async (vault: Vault, machineId: string, options: ScrubOptions = {}): Promise<ScrubReport> => {
  const { clock = systemClock, recordEvery = GIB, fresh = false, signal, onProgress } = options;
  const history = await readMachine(vault, machineId);
  const writer = { vault, machineId, keyEpoch: await vault.keys.newestEpoch(machineId) };
  const { number, progress: before } = await readScrubRecord(vault, machineId);
  let next = number + 1;
  const isNew = fresh || before.complete;
  let progress: ScrubProgress = isNew
    ? { ...NEVER_SCRUBBED, round: before.round + 1, started: clock.now(), complete: false, lastComplete: before.lastComplete }
    : before;
  const findings: Finding[] = [...progress.findings];
  if (isNew) findings.push(...history.damage);
  const items = await itemsOf(history, new ObjectCheck(history, findings));
  const total = items.reduce((sum, { size }) => sum + size, 0);
  const left = items.filter(({ name }) => name > progress.done);
  const passed = total - left.reduce((sum, { size }) => sum + size, 0);
  let isRecorded = true;
  let read = 0;
  let unrecorded = 0;
  const record = async (): Promise<void> => {
    unrecorded = 0;
    progress = { ...progress, recorded: clock.now(), findings };
    try {
      // Somebody else scrubs too: both go on, and the next one goes on from the later record.
      while (isRecorded && !(await createScrubRecord(writer, next, progress))) next += 1;
      next += 1;
    } catch (reason) {
      if (!isHoldfastError(reason, 'NO_PERMISSION')) throw reason;
      isRecorded = false;
    }
  };
  for (const item of left) {
    if (signal?.aborted === true || read >= (options.bytes ?? Number.POSITIVE_INFINITY)) break;
    await item.check();
    read += item.size;
    unrecorded += item.size;
    progress = { ...progress, done: item.name, objects: progress.objects + 1, bytes: progress.bytes + item.size };
    onProgress?.({ bytes: passed + read, total });
    if (unrecorded >= recordEvery) await record();
  }
  await forgetReleased(vault, machineId, findings);
  if (left.length === 0 || progress.done === left.at(-1)!.name) progress = { ...progress, complete: true, lastComplete: clock.now() };
  await record();
  return { ...progress, findings, read, total, isRecorded, history };
};

/** An object may have been given up and deleted while others were read: what nobody needs any more is not missing. */
const forgetReleased = async (vault: Vault, machineId: string, findings: Finding[]): Promise<void> => {
  const isGone = ({ why }: Finding): boolean => why === GONE;
  if (!findings.some(isGone)) return;
  const history = await readMachine(vault, machineId);
  const needed = new Set((await itemsOf(history, new ObjectCheck(history, []))).map(({ name }) => name));
  for (const finding of findings.filter(isGone)) if (!needed.has(finding.object)) findings.splice(findings.indexOf(finding), 1);
};

/** Everything that a machine's points need, by name, with what has to be done to each. */
export const itemsOf = async (history: MachineHistory, check: ObjectCheck): Promise<CheckedItem[]> => {
  const { vault, machine, head, catalogue, lost, tags } = history;
  const items: CheckedItem[] = [];
  const placed = placedBySlot(history);
  const first = Number(catalogue?.catalogue.firstSlot ?? 0n);
  const listed = await listedSlots(vault, machine.id);
  for (const sequence of slotsToRead({ first, last: head.sequence }, [...listed.keys()], lost)) {
    const name = slotName(machine.id, sequence);
    items.push({ name, size: listed.get(sequence) ?? 0, check: () => checkSlot(sequence, name) });
  }
  const checkSlot = async (sequence: number, name: string): Promise<void> => {
    try {
      const bytes = await readWhole(vault.store, name);
      const slot = await parseSlot(vault, machine.id, sequence, bytes);
      if (slot.size !== bytes.length) check.find(name, 'DAMAGED', `it has ${bytes.length} bytes and should have ${slot.size}`);
      if ((tags.get(sequence) ?? slot.tag) !== slot.tag)
        check.find(name, 'DAMAGED', 'it is not what it was: somebody put another in its place');
      else await check.slotFrames(slot, bytes, placed.get(sequence) ?? []);
    } catch (reason) {
      check.note(reason, name);
    }
  };
  for (const { object } of catalogue?.catalogue.history ?? [])
    items.push({
      name: referencedName(machine.id, OBJECT_KIND.history, idText(object!.id))!,
      size: Number(object!.size),
      check: () => check.referenced(OBJECT_KIND.history, object!),
    });
  for (const ref of catalogue?.catalogue.runs ?? []) {
    const run = ref.object!;
    items.push({
      name: referencedName(machine.id, OBJECT_KIND.run, idText(run.id))!,
      size: Number(run.size),
      check: () => check.referenced(OBJECT_KIND.run, run),
    });
    for (const { object } of await partsOf(history, ref))
      items.push({
        name: referencedName(machine.id, OBJECT_KIND.part, idText(object!.id))!,
        size: Number(object!.size),
        check: () => check.part(object!, idText(ref.diskId)),
      });
  }
  for (const [folder, kind] of [
    ['keys', OBJECT_KIND.dataKey],
    ['terms', OBJECT_KIND.term],
  ] as const) {
    const prefix = `m/${machine.id}/${folder}/`;
    for await (const { name, size } of vault.store.list(prefix))
      items.push({
        name,
        size,
        check: async () => void (await check.numbered(name, kind, Number(name.slice(prefix.length)))),
      });
  }
  return items.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
};

/** None of a run that is damaged: that is told when its turn comes. */
const partsOf = async ({ levels }: MachineHistory, ref: RunRef): Promise<readonly PartRef[]> => {
  try {
    return (await levels.run(ref)).parts;
  } catch (reason) {
    if (isHoldfastError(reason, 'DAMAGED')) return [];
    throw reason;
  }
};
