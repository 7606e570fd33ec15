import type { ObjectStore } from '@holdfast/object-store';
import { ObjectCheck } from './check-object.ts';
import { type Finding, findingOf } from './finding.ts';
import type { MachineHistory } from './history.ts';
import { logPrefix } from './object-names.ts';
import { ifPresent, readWhole } from './read-object.ts';
import { itemsOf } from './scrub-machine.ts';
import { parseSlot, readSlot } from './slot.ts';

/**
 * Puts an object that is damaged or gone back under its name, the same bytes as it had, out of a copy of the vault. `undefined` when that is done, else why
 * it was not: the copy does not have it, or what it has is not what this vault had. Errors: STORE_UNAVAILABLE, NO_PERMISSION (needs the right to delete).
 */
export const restoreObject = async (history: MachineHistory, copy: ObjectStore, { object: name }: Finding): Promise<string | undefined> => {
  const { vault } = history;
  const content = await ifPresent(readWhole(copy, name));
  if (content === undefined) return 'the copy does not have it';
  const wrong = await differs({ ...history, vault: { ...vault, store: copy } }, history, name, content);
  if (wrong !== undefined) return `what the copy has is no good: ${wrong}`;
  await vault.store.delete(name);
  await vault.store.create(name, content);
  return undefined;
};

/** What is wrong with the copy's object, checked as if it were the vault's own. */
const differs = async (
  inCopy: MachineHistory,
  { vault, machine, head }: MachineHistory,
  name: string,
  content: Buffer,
): Promise<string | undefined> => {
  const findings: Finding[] = [];
  const item = (await itemsOf(inCopy, new ObjectCheck(inCopy, findings))).find((one) => one.name === name);
  await item?.check();
  if (findings.length > 0) return findings[0]!.why;
  if (item !== undefined && !name.startsWith(logPrefix(machine.id))) return undefined;
  // A slot of the tail is known by its neighbours only.
  if (!name.startsWith(logPrefix(machine.id))) return 'nothing in this vault refers to it';
  const sequence = Number(name.slice(-12));
  try {
    const slot = await parseSlot(vault, machine.id, sequence, content);
    const next = await readSlot(vault, machine.id, sequence + 1).catch(() => undefined);
    const known = inCopy.tags.get(sequence);
    if (known === slot.tag || next?.previousTag === slot.tag) return undefined;
    if (known !== undefined || next !== undefined) return 'the slots around it follow another one';
    // The last one: what it follows must be what this vault has, or it is of a copy that went its own way.
    const before = sequence === 0 ? undefined : await readSlot(vault, machine.id, sequence - 1).catch(() => undefined);
    return [head.tag, before?.tag].includes(slot.previousTag) ? undefined : 'it does not follow the slots before it';
  } catch (reason) {
    const finding = findingOf(reason, name);
    if (finding === undefined) throw reason;
    return finding.why;
  }
};
