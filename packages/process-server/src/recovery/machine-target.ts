import { HoldfastError } from '@holdfast/errors';
import type { NetworkAttachment } from '@holdfast/fabric';
import type { RecoveryTarget } from '@holdfast/protocol';

/** What a machine is given on the fabric, beyond what its manifest says. */
export interface MachineTarget {
  readonly network: NetworkAttachment;
  readonly hardware: { readonly cpus?: number; readonly memoryBytes?: number };
}

const SIZE = /^(\d{1,3})x(\d{1,6})(MiB|GiB)$/;
const BRIDGE = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/;

const networkOf = (name: string, setting: string): NetworkAttachment => {
  if (name === '' || name === 'isolated') return { kind: 'isolated' };
  if (name === 'none') return { kind: 'none' };
  const bridge = name.replace(/^bridge:/, '');
  if (BRIDGE.test(bridge)) return { kind: 'bridge', bridge };
  throw new HoldfastError('SETTING_INVALID', {
    thing: `${setting} ${JSON.stringify(name.slice(0, 80))}`,
    why: 'it is no name of a bridge',
    remedy: 'name a bridge of the process server, isolated, or none',
  });
};

/** What a target means; a test gets its own network, an isolated one unless another is named. Errors: SETTING_INVALID. */
export const machineTarget = ({ network, testNetwork, size }: RecoveryTarget, isTest: boolean): MachineTarget => {
  const attachment = isTest ? networkOf(testNetwork, 'test network') : networkOf(network, 'network');
  if (size === '' || size === 'same') return { network: attachment, hardware: {} };
  const parts = SIZE.exec(size);
  const cpus = Number(parts?.[1] ?? 0);
  if (parts === null || cpus === 0)
    throw new HoldfastError('SETTING_INVALID', {
      thing: `size ${JSON.stringify(size.slice(0, 80))}`,
      why: 'it does not say how many processors and how much memory',
      remedy: 'write it like 4x8GiB, or same for what the source has',
    });
  return { network: attachment, hardware: { cpus, memoryBytes: Number(parts[2]) * (parts[3] === 'GiB' ? 1024 : 1) * 1024 * 1024 } };
};
