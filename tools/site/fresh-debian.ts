import { createGuestImage, DEBIAN_12, type Guest, type GuestRecipe, startGuest } from '../guest/index.ts';

/** A Debian 12 server as people have it: what the lines of `holdfast token create` call is there, and nothing of ours. */
const FRESH: GuestRecipe = { ...DEBIAN_12, name: 'fresh-debian-12', packages: [...DEBIAN_12.packages, 'curl', 'sudo'] };

/** Starts one; it reaches this machine's loopback as 10.0.2.2. Its first start ever builds the image: some minutes. */
export const startFreshDebian = async (share: Readonly<Record<string, string>> = {}): Promise<Guest> =>
  startGuest({ image: await createGuestImage({ recipe: FRESH }), memoryMiB: 3072, network: 'user', share });
