import { open, rename } from 'node:fs/promises';

/** Replaces a file, or leaves it as it was; the new one survives a power loss. */
export const writeWhole = async (file: string, text: string): Promise<void> => {
  const handle = await open(`${file}.new`, 'w', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${file}.new`, file);
};
