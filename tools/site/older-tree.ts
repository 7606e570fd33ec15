import { mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runTool } from '../lab/host/run-tool.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Rooms with dependencies of their own. */
const OWN_DEPENDENCIES = ['packages/cli', 'packages/daemon', 'tools'];

/**
 * Lays out an earlier commit of this repository, to be run from its sources: its packages are its own, all else is what is installed here. IO_FAILED with git's words
 * where the commit is not there (a shallow clone).
 */
export const layOutTree = async (commit: string, directory: string): Promise<void> => {
  mkdirSync(directory);
  const archive = `${directory}.tar`;
  await runTool('git', ['-C', ROOT, 'archive', '--output', archive, commit]);
  await runTool('tar', ['--extract', '--file', archive, '--directory', directory]);
  const installed = path.join(directory, 'node_modules');
  mkdirSync(installed);
  for (const name of readdirSync(path.join(ROOT, 'node_modules')))
    if (name !== '@holdfast') symlinkSync(path.join(ROOT, 'node_modules', name), path.join(installed, name));
  mkdirSync(path.join(installed, '@holdfast'));
  for (const name of readdirSync(path.join(directory, 'packages')))
    symlinkSync(path.join(directory, 'packages', name), path.join(installed, '@holdfast', name));
  for (const room of OWN_DEPENDENCIES) symlinkSync(path.join(ROOT, room, 'node_modules'), path.join(directory, room, 'node_modules'));
};
