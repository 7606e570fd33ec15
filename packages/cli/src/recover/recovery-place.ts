import { homedir } from 'node:os';
import path from 'node:path';
import { HoldfastError } from '@holdfast/errors';
import { createQemuFabric, type Fabric, listRecoveries, type RecoveryRecord } from '@holdfast/fabric';
import { Option } from 'commander';
import { suggestion } from '../choose/near.ts';
import type { OutputOptions } from '../output/answer.ts';

export interface PlaceOptions extends OutputOptions {
  readonly directory: string;
}

/** Where recovered machines are kept on this host. */
export interface RecoveryPlace {
  readonly fabric: Fabric;
  readonly recoveries: string;
  list(): Promise<RecoveryRecord[]>;
}

const usual = (): string =>
  process.getuid?.() === 0 ? '/var/lib/holdfast/recovery' : path.join(homedir(), '.local/share/holdfast/recovery');

export const directoryOption = (): Option =>
  new Option('--directory <directory>', 'where recovered machines are kept: what they write, logs, sockets').default(usual());

export const openPlace = ({ directory }: PlaceOptions): RecoveryPlace => {
  const recoveries = path.resolve(directory, 'recoveries');
  return {
    fabric: createQemuFabric({ directory: path.resolve(directory, 'machines') }),
    recoveries,
    list: () => listRecoveries(recoveries),
  };
};

/** The recovery meant by its id, the beginning of it, or the name of its machine; without a word the only one. Errors: RESOURCE_NOT_FOUND, SETTING_INVALID. */
export const chooseRecovery = async (place: RecoveryPlace, word: string | undefined): Promise<RecoveryRecord> => {
  const all = await place.list();
  const named = all.filter(({ operationId, name }) => word === undefined || operationId === word || name === word);
  const meant =
    named.length > 0 ? named : all.filter(({ operationId }) => word!.length >= 2 && operationId.startsWith(word!.toLowerCase()));
  if (meant.length === 1) return meant[0]!;
  const thing = word === undefined ? 'recovery' : `recovery ${word}`;
  if (meant.length > 1)
    throw new HoldfastError('SETTING_INVALID', {
      thing,
      why: `${meant.length} are meant: ${meant.map(({ operationId, name }) => `${operationId} (${name})`).join(', ')}`,
      remedy: 'give the id of one, or more of it',
    });
  throw new HoldfastError('RESOURCE_NOT_FOUND', {
    thing,
    why:
      all.length === 0
        ? 'there is none on this host'
        : `there is none of this name or id; ${suggestion(
            word ?? '',
            all.map(({ name }) => name),
          )}`,
    remedy: 'list them with `holdfast recover ls`, perhaps with another --directory',
  });
};
