import os from 'node:os';
import { create } from '@bufbuild/protobuf';
import { Firmware, type OperatingSystem, OperatingSystemSchema } from '@holdfast/protocol';
import { textOf } from './fields.ts';
import type { SystemView } from './system-view.ts';

/** The fields of an os-release file (os-release(5)). */
const parseOsRelease = (text: string): ReadonlyMap<string, string> => {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, name, value] = /^([A-Z0-9_]+)=(.*)$/.exec(line.trim()) ?? [];
    if (name !== undefined && value !== undefined) fields.set(name, unquote(value));
  }
  return fields;
};

const unquote = (value: string): string => {
  const quote = value[0];
  if ((quote !== '"' && quote !== "'") || value.at(-1) !== quote || value.length < 2) return value;
  const inner = value.slice(1, -1);
  return quote === '"' ? inner.replaceAll(/\\([\\"$`])/g, '$1') : inner;
};

export const collectOperatingSystem = (system: SystemView): OperatingSystem => {
  const release = parseOsRelease(system.read('/etc/os-release') ?? system.read('/usr/lib/os-release') ?? '');
  return create(OperatingSystemSchema, {
    family: process.platform === 'win32' ? 'windows' : process.platform,
    id: textOf(release.get('ID')),
    version: textOf(release.get('VERSION_ID')),
    prettyName: textOf(release.get('PRETTY_NAME')),
    kernel: os.release(),
    architecture: os.machine(),
  });
};

/** Vendor GUID of the variables that the UEFI specification defines. */
const EFI_GLOBAL = '8be4df61-93ca-11d2-aa0d-00e098032b8c';

export const collectFirmware = (system: SystemView): { readonly firmware: Firmware; readonly secureBoot: boolean } => {
  if (system.list('/sys/firmware/efi').length === 0) return { firmware: Firmware.BIOS, secureBoot: false };
  // Four bytes of attributes, then the value.
  const variable = system.read(`/sys/firmware/efi/efivars/SecureBoot-${EFI_GLOBAL}`);
  return { firmware: Firmware.UEFI, secureBoot: variable?.charCodeAt(4) === 1 };
};
