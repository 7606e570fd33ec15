import { parseBytes } from '@holdfast/daemon';
import { HoldfastError } from '@holdfast/errors';
import { DISK_CONTROLLERS, type NetworkAttachment, type RecoverMachineOptions } from '@holdfast/fabric';
import { type Command, Option } from 'commander';
import { parseCount } from '../parse-count.ts';

export interface HardwareOptions {
  readonly network: NetworkAttachment;
  readonly forward?: readonly { readonly guestPort: number; readonly hostPort: number }[];
  readonly cpus?: number;
  readonly memory?: number;
  readonly firmware?: 'bios' | 'uefi';
  readonly controller?: (typeof DISK_CONTROLLERS)[number];
}

const invalid = (text: string, why: string, remedy: string): HoldfastError =>
  new HoldfastError('SETTING_INVALID', { thing: JSON.stringify(text), why, remedy });

const parseNetwork = (text: string): NetworkAttachment => {
  const [, bridge] = /^bridge:([\w.-]{1,15})$/.exec(text) ?? [];
  if (bridge !== undefined) return { kind: 'bridge', bridge };
  if (text === 'none' || text === 'isolated') return { kind: text };
  throw invalid(text, 'it names no network', 'give isolated, none, or bridge:NAME');
};

type Forward = NonNullable<HardwareOptions['forward']>[number];

const parseForward = (text: string, before: readonly Forward[] = []): readonly Forward[] => {
  const [, hostPort, guestPort] = /^(\d{1,5}):(\d{1,5})$/.exec(text) ?? [];
  if (hostPort === undefined)
    throw invalid(text, 'it is no pair of ports', 'write it like 2222:22: the port here, then the port of the machine');
  return [...before, { hostPort: Number(hostPort), guestPort: Number(guestPort) }];
};

export const hardwareOptions = (command: Command): Command =>
  command
    .addOption(
      new Option('--network <network>', 'isolated (nothing gets out), none, or bridge:NAME of this host')
        .argParser(parseNetwork)
        .default({ kind: 'isolated' }, 'isolated'),
    )
    .addOption(
      new Option(
        '--forward <here:there>',
        'on an isolated network: a port of 127.0.0.1 that leads to one of the machine; repeatable',
      ).argParser(parseForward),
    )
    .addOption(
      new Option('--cpus <number>', 'processors; as at the source, and no more than this host has, unless told').argParser(parseCount),
    )
    .addOption(new Option('--memory <bytes>', 'such as 4GiB; as at the source, as far as this host can, unless told').argParser(parseBytes))
    .addOption(new Option('--firmware <firmware>', 'as at the source unless told').choices(['bios', 'uefi']))
    .addOption(
      new Option('--controller <controller>', 'what disks hang on; what its system can drive unless told').choices(DISK_CONTROLLERS),
    );

/** What was asked for, as `recoverMachine` takes it. */
export const hardwareOf = ({
  network,
  forward,
  cpus,
  memory,
  firmware,
  controller,
}: HardwareOptions): Pick<RecoverMachineOptions, 'network' | 'hardware'> => {
  if (forward !== undefined && network.kind !== 'isolated')
    throw invalid('--forward', 'it belongs to an isolated network', 'leave it out, or choose --network isolated');
  return {
    network: network.kind === 'isolated' && forward !== undefined ? { kind: 'isolated', forwards: forward } : network,
    hardware: {
      ...(cpus !== undefined && { cpus }),
      ...(memory !== undefined && { memoryBytes: Math.floor(memory / 2 ** 20) * 2 ** 20 }),
      ...(firmware !== undefined && { firmware }),
      ...(controller !== undefined && { controller }),
    },
  };
};
