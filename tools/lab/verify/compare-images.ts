import { runTool } from '../host/run-tool.ts';
import { createFaults, type Verdict } from './verdict.ts';

/** What qemu-img calls a status: 0 the same, 1 different, above that it could not compare. */
const DIFFERENT = 1;

export interface ImagePair {
  /** For people. */
  readonly name: string;
  /** A file or an NBD URI. */
  readonly served: string;
  readonly raw: string;
}

/** Lets `qemu-img compare`, a client that is not ours, read what an NBD server serves and compare it with a raw export, for each disk. */
export const compareImages = async (pairs: readonly ImagePair[], signal?: AbortSignal): Promise<Verdict> => {
  const faults = createFaults();
  for (const { name, served, raw } of pairs) {
    const { status, stdout } = await runTool('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', served, raw], {
      signal,
      accept: [0, DIFFERENT],
    });
    if (status === DIFFERENT) faults.add(`${name}: ${stdout.trim().replace(/\s*\n\s*/g, ' / ')}`);
  }
  return faults.verdict('NBD = raw', 'identical');
};
