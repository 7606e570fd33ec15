import { readdir, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { fromSystem, isHoldfastError } from '@holdfast/errors';
import { type CheckRequest, type Finding, missed, notSo, parseMachineNetwork, passed, tryCheck } from '@holdfast/protocol';
import { probeRights } from '@holdfast/vault';
import type { Vaults } from '../upload/vaults.ts';

/** What a process server looks at when it is asked whether all is there that a protection needs. */
export interface Surroundings {
  readonly vaults: Pick<Vaults, 'names' | 'open'>;
  readonly journal: { readonly directory: string; readonly quota: number };
  /** Throws where no recovered machine can be plugged into this bridge; undefined where none is started here. */
  readonly requireBridge: ((bridge: string) => Promise<void>) | undefined;
}

const GIB = 1024 ** 3;
const BLOCK = 512;
/** Bridges that are looked at for one request. */
const MOST_BRIDGES = 32;
/** Of a vault's file system that has to be free. */
const LEAST_SHARE = 0.05;

const gibibytes = (bytes: number): string => `${(bytes / GIB).toFixed(1)} GiB`;

const spaceOf = async (directory: string): Promise<{ readonly free: number; readonly size: number }> => {
  try {
    const { bavail, blocks, bsize } = await statfs(directory);
    return { free: bavail * bsize, size: blocks * bsize };
  } catch (reason) {
    throw fromSystem(reason, directory);
  }
};

const checkFolder = (name: string, url: string): Promise<Finding> =>
  tryCheck('vault-space', name, async () => {
    const folder = fileURLToPath(url.replace(/^file:(?!\/\/)/, 'file://'));
    const { free, size } = await spaceOf(folder);
    if (free < Math.max(GIB, size * LEAST_SHARE))
      throw notSo('vault-space', folder, `it has ${gibibytes(free)} free of ${gibibytes(size)}`);
    return `${gibibytes(free)} are free`;
  });

const checkVault = async (vaults: Surroundings['vaults'], name: string): Promise<Finding[]> => {
  let vault: Awaited<ReturnType<Vaults['open']>>;
  try {
    vault = await vaults.open(name);
  } catch (reason) {
    if (!isHoldfastError(reason)) throw reason;
    return [missed('vault-key', name, `${reason.thing}: ${reason.why}`, reason.remedy)];
  }
  return [
    passed('vault-key', name, `the key opens it (fingerprint ${vault.fingerprint.slice(0, 8)}…)`),
    await tryCheck('vault-rights', name, async () => {
      await probeRights(vault.store);
      return 'objects can be read and created';
    }),
    ...(vault.store.url.startsWith('file:') ? [await checkFolder(name, vault.store.url)] : []),
  ];
};

const usedBelow = async (directory: string): Promise<number> => {
  const names = await readdir(directory).catch(() => []);
  const sizes = await Promise.all(
    names.map((name) =>
      stat(path.join(directory, name)).then(
        ({ blocks }) => blocks * BLOCK,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
};

const checkJournal = ({ directory, quota }: Surroundings['journal']): Promise<Finding> =>
  tryCheck('journal-space', directory, async () => {
    const room = (await spaceOf(directory)).free + (await usedBelow(directory));
    if (room < quota) throw notSo('journal-space', directory, `it has room for ${gibibytes(room)}, and its quota is ${gibibytes(quota)}`);
    return `there is room for its quota of ${gibibytes(quota)}`;
  });

const checkBridge = (requireBridge: NonNullable<Surroundings['requireBridge']>, bridge: string): Promise<Finding> =>
  tryCheck('target-bridge', bridge, async () => {
    await requireBridge(bridge);
    return 'machines can be plugged into it';
  });

/** Looks at everything, and at the bridges that are asked for; what cannot be looked at is told as that. */
export const lookAround = async (
  { vaults, journal, requireBridge }: Surroundings,
  asked: Pick<CheckRequest, 'bridges'>,
): Promise<Finding[]> => {
  const bridges = asked.bridges.filter((name) => parseMachineNetwork(name)?.kind === 'bridge').slice(0, MOST_BRIDGES);
  const found = await Promise.all([
    checkJournal(journal),
    ...vaults.names.map((name) => checkVault(vaults, name)),
    ...(requireBridge === undefined ? [] : bridges.map((name) => checkBridge(requireBridge, name))),
  ]);
  return found.flat();
};
