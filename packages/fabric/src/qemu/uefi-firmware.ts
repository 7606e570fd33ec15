import { constants, copyFile, rename, stat } from 'node:fs/promises';
import { fromSystem, HoldfastError } from '@holdfast/errors';

/** Where distributions keep OVMF: code, and the variables a new machine begins with. */
const KNOWN: readonly (readonly [code: string, variables: string])[] = [
  ['/usr/share/OVMF/OVMF_CODE_4M.fd', '/usr/share/OVMF/OVMF_VARS_4M.fd'],
  ['/usr/share/OVMF/OVMF_CODE.fd', '/usr/share/OVMF/OVMF_VARS.fd'],
  ['/usr/share/edk2/ovmf/OVMF_CODE.fd', '/usr/share/edk2/ovmf/OVMF_VARS.fd'],
  ['/usr/share/edk2/x64/OVMF_CODE.4m.fd', '/usr/share/edk2/x64/OVMF_VARS.4m.fd'],
  ['/usr/share/qemu/ovmf-x86_64-code.bin', '/usr/share/qemu/ovmf-x86_64-vars.bin'],
];

export interface UefiFirmware {
  readonly code: string;
  readonly variables: string;
}

export const findUefi = async (): Promise<UefiFirmware | undefined> => {
  for (const [code, variables] of KNOWN)
    if ((await stat(code).catch(() => undefined)) && (await stat(variables).catch(() => undefined))) return { code, variables };
  return undefined;
};

/** Errors: TOOL_MISSING. */
export const requireUefi = async (): Promise<UefiFirmware> => {
  const found = await findUefi();
  if (found !== undefined) return found;
  throw new HoldfastError('TOOL_MISSING', {
    thing: 'UEFI firmware for QEMU (OVMF)',
    why: 'it is not installed here',
    remedy: 'install it: on Debian `apt install ovmf`',
  });
};

/** The machine's own variables; they stay as they are when they are there. */
export const createVariables = async (file: string): Promise<void> => {
  const { variables } = await requireUefi();
  const unfinished = `${file}.new`;
  try {
    if (await stat(file).catch(() => undefined)) return;
    await copyFile(variables, unfinished, constants.COPYFILE_FICLONE);
    await rename(unfinished, file);
  } catch (reason) {
    throw fromSystem(reason, file);
  }
};
