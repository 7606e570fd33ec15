import type { HardwareIdentity } from './member.ts';

export interface HardwareSources {
  /** JSON file that is taken instead of asking the machine: the setting `identity.hardware-file`. */
  readonly file?: string | undefined;
  /** Root of the file system with sys/ and etc/. Default: "/". */
  readonly root?: string;
}

/**
 * What tells this machine from its clone. Values that makers leave blank ("To be filled by O.E.M.", a UUID of zeroes) count as unknown. Only root can
 * read the SMBIOS; without it machine-id and network interfaces remain. Rejects with SETTING_INVALID for a bad file, and when nothing at all is known.
 */
export const readHardwareIdentity = async (_sources: HardwareSources = {}): Promise<HardwareIdentity> => {
  throw new Error('not here yet');
};
