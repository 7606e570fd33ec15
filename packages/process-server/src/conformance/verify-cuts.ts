import { createHash } from 'node:crypto';
import { openView, readMachine, type Vault } from '@holdfast/vault';
import type { ScriptedCut } from './scripted-source.ts';

/**
 * Reads points back from the vault alone and compares every byte. Says what is wrong, undefined when all is right. `cuts`: those that must be
 * there, in order.
 */
export const verifyCuts = async (
  vault: Vault,
  machineId: string,
  diskId: string,
  cuts: readonly ScriptedCut[],
): Promise<string | undefined> => {
  const history = await readMachine(vault, machineId);
  if (history.damage.length > 0) return `damage: ${JSON.stringify(history.damage)}`;
  const order = history.points.map(({ id }) => id);
  let last = -1;
  for (const { pointId, digest } of cuts) {
    const at = order.indexOf(pointId);
    if (at < 0) return `point ${pointId} was called durable and is not in the vault`;
    if (at <= last) return `point ${pointId} is out of order`;
    last = at;
    const view = await openView(history, pointId, diskId);
    const content = Buffer.alloc(view.size);
    await view.read(0, content);
    await view.close();
    if (createHash('sha256').update(content).digest('hex') !== digest) return `point ${pointId} differs from what the disk held`;
  }
  return undefined;
};
