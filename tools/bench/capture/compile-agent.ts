import path from 'node:path';
import { compilePrograms, WORKSPACE } from '../../bundle/compile-programs.ts';
import { ROLES } from '../../bundle/roles.ts';

/** Compiles a program as it is installed, into a directory that does not exist yet: what node needs to read sources is no part of it. Tells its main file. */
const compileInstalled = async (service: string, directory: string): Promise<string> => {
  const { programs, threads } = ROLES.find(({ services }) => services[0] === service)!;
  const { main } = programs[0]!;
  await compilePrograms(directory, WORKSPACE, [main, ...threads.map((thread) => thread.main)]);
  return path.join(directory, `${path.basename(main, '.ts')}.mjs`);
};

export const compileAgent = (directory: string): Promise<string> => compileInstalled('agent', directory);
export const compileProcessServer = (directory: string): Promise<string> => compileInstalled('process-server', directory);
