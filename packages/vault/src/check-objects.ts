import { ObjectCheck } from './check-object.ts';
import type { Finding } from './finding.ts';
import type { MachineHistory } from './history.ts';
import { itemsOf } from './scrub-machine.ts';

/**
 * Reads and verifies what a machine's points need, object by object, but for those in `known`: objects of these names and sizes (bytes) were found well
 * before. Those found well now are added, so that asking again and again reads each object once. Errors: STORE_UNAVAILABLE.
 */
export const checkObjects = async (history: MachineHistory, known: Map<string, number>): Promise<readonly Finding[]> => {
  const findings: Finding[] = [];
  for (const { name, size, check } of await itemsOf(history, new ObjectCheck(history, findings))) {
    if (known.get(name) === size) continue;
    const before = findings.length;
    await check();
    if (findings.length === before) known.set(name, size);
  }
  return findings;
};
