import { runTool } from './run-tool.ts';
import type { Volume } from './volumes.ts';

/** A volume as a loop device of this host; resolves to its path. Whoever asked detaches it, or clears the scratch directory its file is in. */
export const attachLoop = async ({ file, offset, size }: Pick<Volume, 'file' | 'offset' | 'size'>): Promise<string> => {
  const range = ['--offset', String(offset), ...(size === undefined ? [] : ['--sizelimit', String(size)])];
  return (await runTool('losetup', ['--find', '--show', ...range, file])).toString('utf8').trim();
};
