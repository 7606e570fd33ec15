import { openStore } from '@holdfast/object-store';
import { createVault, writeKeyFile } from '@holdfast/vault';
import { createMiniImage } from '../mini-image/index.ts';
import { addMachineOfImages, type ImageMachine, type VaultedMachine } from './vault-of-images.ts';

export interface MiniVault extends VaultedMachine {
  readonly url: string;
  readonly keyFile: string;
}

/** A vault in a store with one machine that has this image for a disk, and its key in a file. */
export const makeVaultOf = async (url: string, keyFile: string, machine: ImageMachine): Promise<MiniVault> => {
  const key = await writeKeyFile(keyFile);
  const vault = await createVault(await openStore(url, { environment: process.env }), { name: machine.name, keys: [key] });
  try {
    return { url, keyFile, ...(await addMachineOfImages(vault, machine)) };
  } finally {
    await vault.close();
  }
};

/** A vault in a store with the mini image as its one machine, and its key in a file. */
export const makeMiniVault = async (
  url: string,
  keyFile: string,
  machine: Partial<ImageMachine> & { readonly size?: number; readonly kernel?: 'cloud' | 'amd64' } = {},
): Promise<MiniVault> => {
  const { size, kernel = 'cloud', ...about } = machine;
  const { path } = await createMiniImage({ kernel });
  return makeVaultOf(url, keyFile, { name: 'mini', disks: [{ name: 'sda', path, ...(size !== undefined && { size }) }], ...about });
};
