/** An archive of empty files, as in an initramfs (newc). */
export const archiveOf = (names: readonly string[]): Buffer => {
  const hex = (value: number): string => value.toString(16).padStart(8, '0');
  const entry = (name: string): Buffer => {
    const fields = [1, 0o100644, 0, 0, 1, 0, 0, 0, 0, 0, 0, name.length + 1, 0];
    const head = Buffer.from(`070701${fields.map(hex).join('')}${name}\0`, 'latin1');
    return Buffer.concat([head, Buffer.alloc(-head.length & 3)]);
  };
  return Buffer.concat([...names, 'TRAILER!!!'].map(entry));
};

/** Paths of modules of a kernel. */
export const modulePaths = (version: string, names: readonly string[]): string[] =>
  names.map((name) => `usr/lib/modules/${version}/kernel/drivers/${name}.ko.xz`);
