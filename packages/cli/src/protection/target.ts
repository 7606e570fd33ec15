import type { RecoveryTarget } from '@holdfast/protocol';
import { type Command, Option } from 'commander';

export interface TargetOptions {
  readonly network?: string;
  readonly testNetwork?: string;
  readonly size?: string;
}

/** As what and where a machine is recovered, unless a failover or a plan says something else. */
export const targetOptions = (command: Command): Command =>
  command
    .addOption(new Option('--network <network>', 'of failovers: bridge of the process server (br0), isolated, or none'))
    .addOption(new Option('--test-network <network>', 'of test failovers: the same'))
    .addOption(new Option('--size <size>', 'processors and memory when it is recovered: 4x8GiB, or same as the source'));

/** What was said of it; undefined when nothing was. */
export const targetOf = ({ network = '', testNetwork = '', size = '' }: TargetOptions): Required<TargetOptions> | undefined =>
  `${network}${testNetwork}${size}` === '' ? undefined : { network, testNetwork, size };

export interface TargetDescription {
  readonly fabric: string;
  readonly network: string;
  readonly testNetwork: string;
  readonly size: string;
}

export const describeTarget = (target: RecoveryTarget | undefined): TargetDescription => ({
  fabric: target?.fabric || 'qemu',
  network: target?.network || 'isolated',
  testNetwork: target?.testNetwork || 'isolated',
  size: target?.size || 'same',
});
