import path from 'node:path';
import { compilePrograms, WORKSPACE } from '../../bundle/compile-programs.ts';
import { ROLES } from '../../bundle/roles.ts';

/** Compiles the agent as it is installed, into a directory that does not exist yet: what node needs to read sources is no part of it. Tells its main file. */
export const compileAgent = async (directory: string): Promise<string> => {
  const { programs, threads } = ROLES.find(({ services }) => services[0] === 'agent')!;
  await compilePrograms(
    directory,
    WORKSPACE,
    [...programs, ...threads].map(({ main }) => main),
  );
  return path.join(directory, `${path.basename(programs[0]!.main, '.ts')}.mjs`);
};
