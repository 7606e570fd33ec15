import { HoldfastError } from '@holdfast/errors';
import type { NetworkAttachment } from '@holdfast/fabric';
import { parseMachineNetwork, parseMachineSize, type RecoveryTarget } from '@holdfast/protocol';

/** What a machine is given on the fabric, beyond what its manifest says. */
export interface MachineTarget {
  readonly network: NetworkAttachment;
  readonly hardware: { readonly cpus?: number; readonly memoryBytes?: number };
}

const networkOf = (name: string, setting: string): NetworkAttachment => {
  const network = parseMachineNetwork(name);
  if (network !== undefined) return network;
  throw new HoldfastError('SETTING_INVALID', {
    thing: `${setting} ${JSON.stringify(name.slice(0, 80))}`,
    why: 'it is no name of a bridge',
    remedy: 'name a bridge of the process server, isolated, or none',
  });
};

/** What a target means; a test gets its own network, an isolated one unless another is named. Errors: SETTING_INVALID. */
export const machineTarget = ({ network, testNetwork, size }: RecoveryTarget, isTest: boolean): MachineTarget => {
  const attachment = isTest ? networkOf(testNetwork, 'test network') : networkOf(network, 'network');
  const hardware = parseMachineSize(size);
  if (hardware === 'as source') return { network: attachment, hardware: {} };
  if (hardware !== undefined) return { network: attachment, hardware };
  throw new HoldfastError('SETTING_INVALID', {
    thing: `size ${JSON.stringify(size.slice(0, 80))}`,
    why: 'it does not say how many processors and how much memory',
    remedy: 'write it like 4x8GiB, or same for what the source has',
  });
};
