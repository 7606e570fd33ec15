import { statfs } from 'node:fs/promises';
import path from 'node:path';
import { type CheckRequest, CheckResult, type CredentialSource, type Finding, missed, notSo, passed, tryCheck } from '@holdfast/protocol';
import { findScripts } from '../consistency/find-scripts.ts';
import type { RegisteredDisk } from '../disks/disk-registry.ts';
import { identifyDevice } from '../trace/device.ts';
import { findMemoryDirectory } from '../trace/memory-file.ts';
import { findTracefs } from '../trace/tracefs.ts';
import { bytesBelow } from './bytes-below.ts';
import { reachServer } from './reach-server.ts';

/** What an agent looks at when it is asked whether all is there that a protection needs. */
export interface Surroundings {
  findDisks(): Promise<readonly RegisteredDisk[]>;
  /** Directories of the log and of the scripts, and bytes they are to hold. */
  readonly log: { readonly directory: string; readonly quota: number };
  readonly memory: { readonly directory: string | undefined; readonly bytes: number };
  readonly scripts: string;
  readonly credentials: CredentialSource;
  /** The machine is protected: the memory that is needed is taken already. */
  isProtecting(): boolean;
}

/** With less room than this the agent cannot even begin. */
const LEAST_LOG = 64 * 1024 * 1024;
const MIB = 1024 * 1024;

const freeBytes = async (directory: string): Promise<number> => {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
};

/** The nearest directory above that is there: what is to hold files may not have been made yet. */
const nearest = async (directory: string): Promise<string> => {
  for (let at = directory; ; at = path.dirname(at))
    try {
      await statfs(at);
      return at;
    } catch (reason) {
      if ((reason as NodeJS.ErrnoException).code !== 'ENOENT' || at === path.dirname(at)) throw reason;
    }
};

const mebibytes = (bytes: number): string => `${Math.floor(bytes / MIB)} MiB`;

const checkLog = async ({ directory, quota }: Surroundings['log']): Promise<Finding> => {
  const room = (await freeBytes(await nearest(directory))) + (await bytesBelow(directory));
  if (room >= quota) return passed('log-space', directory, `there is room for its quota of ${mebibytes(quota)}`);
  const short = missed('log-space', directory, `it has room for ${mebibytes(room)}, and its quota is ${mebibytes(quota)}`);
  return room < LEAST_LOG ? { ...short, result: CheckResult.FAILED } : short;
};

const checkMemory = ({ memory, isProtecting }: Surroundings): Promise<Finding> =>
  tryCheck('tracking-memory', 'memory directory', async () => {
    const directory = findMemoryDirectory(memory.directory);
    if (isProtecting()) return `${directory} is in use`;
    const free = await freeBytes(directory);
    if (free < memory.bytes)
      throw notSo('tracking-memory', directory, `it has ${mebibytes(free)} free, and ${mebibytes(memory.bytes)} are needed`);
    return `${directory} is a tmpfs with ${mebibytes(free)} free`;
  });

const checkDisk = ({ path: name, kind }: RegisteredDisk): Promise<Finding> =>
  tryCheck('disk-kind', name, () => {
    if (kind === 'image') return 'an image file: it is captured by reading all of it';
    const { bioBased } = identifyDevice(name);
    return bioBased ? 'it has no requests of its own: it is tried when it is attached' : 'a whole disk whose writes the kernel tells of';
  });

/** Looks at everything; what cannot be looked at is told as that. */
export const lookAround = async (
  surroundings: Surroundings,
  { processServers }: Pick<CheckRequest, 'processServers'>,
): Promise<Finding[]> => {
  const { findDisks, log, scripts, credentials } = surroundings;
  const disks = await findDisks();
  const isTraced = disks.some(({ kind }) => kind === 'device');
  const all = [
    tryCheck('agent-root', 'agent', () => {
      if (process.geteuid?.() === 0 || !isTraced) return isTraced ? 'it runs as root' : 'it needs no root for image files';
      throw notSo('agent-root', 'agent', `it runs as user ${process.geteuid?.()}`);
    }),
    ...(isTraced ? [tryCheck('kernel-tracing', 'kernel', () => `tracefs is at ${findTracefs()}`), checkMemory(surroundings)] : []),
    ...disks.map(checkDisk),
    checkLog(log),
    tryCheck('application-scripts', scripts, () => {
      const { length } = findScripts(scripts);
      return length === 0 ? 'there are none: application points are filesystem-consistent' : `${length} scripts`;
    }),
    ...processServers.map((address) => reachServer(address, credentials)),
  ];
  return Promise.all(all);
};
