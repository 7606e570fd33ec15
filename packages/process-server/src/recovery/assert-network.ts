import { HoldfastError } from '@holdfast/errors';
import type { Fabric, NetworkAttachment } from '@holdfast/fabric';

/** A bridge that cannot be plugged into is told before anything of the source is touched. Errors: SETTING_INVALID. */
export const assertNetwork = async (fabric: Fabric, network: NetworkAttachment): Promise<void> => {
  if (network.kind !== 'bridge') return;
  const networks = [{ model: 'virtio', attachment: network }] as const;
  const found = await fabric.check({ cpus: 1, memoryBytes: 2 ** 26, firmware: 'bios', disks: [], networks });
  const wrong = found.find(({ name, level }) => name === 'bridge' && level === 'error');
  if (wrong === undefined) return;
  throw new HoldfastError('SETTING_INVALID', {
    thing: `network ${network.bridge}`,
    why: wrong.message,
    remedy: wrong.remedy ?? 'name another network, isolated, or none',
  });
};
