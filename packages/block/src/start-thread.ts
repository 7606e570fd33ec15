import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';

/**
 * Starts a thread that runs the file `name` beside the caller's: TypeScript in the sources, what was compiled of it in a package or a bundle. `own` is the
 * caller's `import.meta.url`. Throws where there is no such file to be found, as in CommonJS that was compiled.
 */
export const startThread = (name: string, own: string, workerData?: unknown): Worker => {
  const extension = extname(new URL(own).pathname);
  const execArgv = extension === '.ts' ? ['--conditions=@holdfast/source'] : [];
  return new Worker(new URL(`./${name}${extension}`, own), { execArgv, workerData });
};
