import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { environmentOf } from '../lab-vault.ts';
import { type LabInfo, readLabInfo } from './lab-info.ts';

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** What a shell needs to talk to the lab. */
export const labEnvironment = ({ contexts, vault }: Pick<LabInfo, 'contexts' | 'vault'>): string => {
  const variables = { HOLDFAST_CLI_DIRECTORY: contexts, VAULT: vault.url, KEY: vault.keyFile, ...environmentOf(vault) };
  return Object.entries(variables)
    .map(([name, value]) => `export ${name}=${quoted(value)}\n`)
    .join('');
};

/** Writes that into a file of the lab's directory, to be sourced; its path. */
export const writeEnvironment = (directory: string): string => {
  const file = path.join(directory, 'environment');
  writeFileSync(file, labEnvironment(readLabInfo(directory)!), { mode: 0o600 });
  return file;
};
