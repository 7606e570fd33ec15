import { createGuestImage, DEBIAN_12, type Guest, type GuestOptions, type GuestRecipe, startGuest } from '../guest/index.ts';

/** A Debian 12 server as people have it: what the lines of `holdfast token create` call is there, and nothing of ours. */
const FRESH: GuestRecipe = { ...DEBIAN_12, name: 'fresh-debian-12', packages: [...DEBIAN_12.packages, 'curl', 'sudo'] };

/** Starts one; it reaches this machine's loopback as 10.0.2.2. Its first start ever builds the image: some minutes. */
export const startFreshDebian = async (options: Pick<GuestOptions, 'share' | 'disks'> = {}): Promise<Guest> => {
  const guest = await startGuest({ image: await createGuestImage({ recipe: FRESH }), memoryMiB: 3072, network: 'user', ...options });
  // Guests have one to run scripts of this tree with.
  await guest.output('rm /usr/local/bin/node');
  return guest;
};
