import path from 'node:path';
import type { Log } from '@holdfast/daemon';
import { openJsonFile } from '../state/json-file.ts';

/** Scripts that brought to rest what writes, kept on disk: a machine at rest is woken by whichever agent runs when that is called off. */
export interface RestedScripts {
  /** The one that ran last comes first. */
  readonly files: readonly string[];
  /** Resolves when it survives a power loss. */
  keep(files: readonly string[]): Promise<void>;
}

const isScript = (value: unknown, directory: string): value is string => typeof value === 'string' && path.dirname(value) === directory;

/** What is in `file`, of scripts that lie in `directory`. What cannot be read is told and counts as nothing. */
export const openRestedScripts = async (file: string, directory: string, log: Log): Promise<RestedScripts> => {
  const stored = openJsonFile(file);
  let files: readonly string[] = [];
  try {
    const known = (await stored.read()) as { readonly scripts?: unknown } | undefined;
    if (Array.isArray(known?.scripts)) files = known.scripts.filter((one) => isScript(one, directory));
  } catch (error) {
    log.error('It is not known which scripts brought this machine to rest: run them with `post` where something stands still', { error });
  }
  return {
    get files() {
      return files;
    },
    async keep(next) {
      files = next;
      await stored.write({ scripts: next });
    },
  };
};
