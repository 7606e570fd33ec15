import { stat } from 'node:fs/promises';

/**
 * Does work in the directory of a service as the user that owns it, where this is root: whatever that user puts in the way of a path meanwhile, nothing is
 * read or written there that it could not itself. Until the work is over the whole process has that user's rights: for commands, which do one thing at a time.
 */
export const asOwnerOf = async <T>(directory: string, work: () => Promise<T>): Promise<T> => {
  const { uid, gid } = await stat(directory);
  if (process.geteuid?.() !== 0 || uid === 0) return work();
  const groups = process.getgroups!();
  process.setgroups!([gid]);
  process.setegid!(gid);
  process.seteuid!(uid);
  try {
    return await work();
  } finally {
    process.seteuid!(0);
    process.setegid!(0);
    process.setgroups!(groups);
  }
};
