import type { Stats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';

/**
 * Gives a file to the owner of the directory it stands in: root may write for a service that runs as another user, and the service must
 * be able to read it.
 */
export const giveToOwner = async (file: FileHandle, owner: Stats): Promise<void> => {
  if (process.getuid?.() === 0 && owner.uid !== 0) await file.chown(owner.uid, owner.gid);
};
