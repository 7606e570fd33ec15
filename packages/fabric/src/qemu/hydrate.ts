import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import type { HydrateOptions, MachineRequest } from '../fabric.ts';
import { withQmp } from './connect-qmp.ts';
import type { MachineDirectory } from './machine-directory.ts';
import { isHydrated } from './overlay-file.ts';
import { baseOf, nodeOf } from './qemu-arguments.ts';
import type { Qmp } from './qmp.ts';

/** https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html, `query-block-jobs` */
interface BlockJob {
  readonly device: string;
  readonly offset: number;
  readonly len: number;
  readonly 'io-status': 'ok' | 'failed' | 'nospace';
  readonly status: string;
  readonly error?: string;
}

const POLL_MILLISECONDS = 250;
/** Between two attempts at a source that does not answer. */
const RETRY_MILLISECONDS = 2_000;

const jobOf = (index: number): string => `hydrate${index}`;
export const blockJobs = async (qmp: Qmp): Promise<readonly BlockJob[]> => (await qmp.execute('query-block-jobs')) as BlockJob[];

/** How far the copies that run are, by position of the disk. */
export const hydrationOf = (jobs: readonly BlockJob[], index: number): number | undefined =>
  jobs.find(({ device }) => device === jobOf(index))?.offset;

/** Positions of the disks that still need their source. */
export const unhydrated = async ({ shape: { disks } }: MachineRequest, directory: MachineDirectory): Promise<number[]> => {
  const needed: number[] = [];
  for (const [index, { source }] of disks.entries())
    if (source.kind === 'nbd' && !(await isHydrated(directory.overlay(index)))) needed.push(index);
  return needed;
};

/**
 * Copies disks of a machine that is on, one after the other, by QEMU's own block jobs: QEMU alone knows what the machine writes meanwhile. A job goes on without us,
 * and one that is found is joined; what it copied is in the overlay, whatever ends it.
 */
export const streamDisks = async (
  request: MachineRequest,
  directory: MachineDirectory,
  { onProgress, signal }: HydrateOptions,
): Promise<void> => {
  const { disks } = request.shape;
  const total = disks.reduce((sum, { size }) => sum + size, 0);
  let needed = await unhydrated(request, directory);
  const doneBefore = (index: number): number =>
    disks.reduce((sum, { size }, at) => (at !== index && !needed.includes(at) ? sum + size : sum), 0);
  for (const index of needed) {
    signal?.throwIfAborted();
    const before = doneBefore(index);
    await streamDisk(directory, index, (offset) => onProgress?.(before + offset, total), signal);
    needed = needed.filter((at) => at !== index);
  }
  onProgress?.(total, total);
};

const streamDisk = async (
  directory: MachineDirectory,
  index: number,
  onOffset: (offset: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> => {
  const job = jobOf(index);
  const ask = <T>(work: (qmp: Qmp) => Promise<T>): Promise<T> => withQmp(directory.qmpSocket, work);
  for (;;) {
    const found = await ask(async (qmp) => {
      const known = (await blockJobs(qmp)).find(({ device }) => device === job);
      if (known !== undefined || (await isHydrated(directory.overlay(index)))) return known;
      const manner = { 'on-error': 'stop', 'auto-dismiss': false, 'auto-finalize': false };
      await qmp.execute('block-stream', { 'job-id': job, device: nodeOf(index), ...manner });
      return (await blockJobs(qmp)).find(({ device }) => device === job);
    });
    if (found === undefined) break;
    onOffset(found.offset);
    if (signal?.aborted) {
      await ask((qmp) => cancel(qmp, job, found));
      throw signal.reason;
    }
    if (found.status === 'pending') {
      await ask((qmp) => makeDurable(qmp, directory, index));
      await ask((qmp) => qmp.execute('job-finalize', { id: job }));
      continue;
    }
    if (found.status === 'concluded') {
      await ask((qmp) => qmp.execute('job-dismiss', { id: job }));
      if (found.error !== undefined) throw failed(directory, index, found.error);
      continue;
    }
    if (found['io-status'] === 'ok') {
      await sleep(POLL_MILLISECONDS, undefined, { ...(signal && { signal }) }).catch(() => {});
      continue;
    }
    if (found['io-status'] === 'nospace') {
      await ask((qmp) => cancel(qmp, job, found));
      throw noSpace(directory, index);
    }
    await sleep(RETRY_MILLISECONDS, undefined, { ...(signal && { signal }) }).catch(() => {});
    if (!signal?.aborted) await ask((qmp) => qmp.execute('block-job-resume', { device: job })).catch(() => {});
  }
  // Nobody reads the source any more; an open connection to it would be made anew for ever.
  await ask((qmp) => qmp.execute('blockdev-del', { 'node-name': baseOf(index) })).catch(() => {});
};

/**
 * Puts all that was copied on the disk of this host, tables that say where it is included: QEMU keeps those in its memory, and says in the file at once that
 * the source is needed no more. Killed in between, the machine would read zeroes where its data had been.
 */
const makeDurable = async (qmp: Qmp, directory: MachineDirectory, index: number): Promise<void> => {
  // Opened before, so that it is told of writes that fail meanwhile.
  const handle = await open(directory.overlay(index), 'r').catch((reason: unknown) => {
    throw fromSystem(reason, directory.overlay(index));
  });
  try {
    const said = await qmp.execute('human-monitor-command', { 'command-line': `qemu-io ${nodeOf(index)} "flush"` });
    if (typeof said !== 'string' || said.trim() !== '') throw failed(directory, index, `it could not be flushed: ${String(said).trim()}`);
    await handle.sync();
  } catch (reason) {
    throw fromSystem(reason, directory.overlay(index));
  } finally {
    await handle.close();
  }
};

/** What needs the source no more shall say so after a power cut of this host too: from then on nobody keeps the source for it. */
export const settleHydrated = async ({ shape: { disks } }: MachineRequest, directory: MachineDirectory): Promise<void> => {
  for (const [index, { source }] of disks.entries()) {
    if (source.kind !== 'nbd') continue;
    const handle = await open(directory.overlay(index), 'r');
    await handle.sync().finally(() => handle.close());
  }
};

const cancel = async (qmp: Qmp, job: string, { status }: BlockJob): Promise<void> => {
  if (status !== 'concluded') await qmp.execute('block-job-cancel', { device: job, force: true });
  for (;;) {
    const known = (await blockJobs(qmp)).find(({ device }) => device === job);
    if (known === undefined) return;
    if (known.status === 'concluded') return void (await qmp.execute('job-dismiss', { id: job }));
    await sleep(POLL_MILLISECONDS / 10);
  }
};

const noSpace = (directory: MachineDirectory, index: number): HoldfastError =>
  new HoldfastError('NO_SPACE', {
    thing: directory.overlay(index),
    why: 'this host has no room for all of the disk',
    remedy: 'free some, then hydrate again: what was copied stays',
  });

const failed = (directory: MachineDirectory, index: number, why: string): HoldfastError =>
  new HoldfastError('FABRIC_FAILED', {
    thing: directory.overlay(index),
    why: `copying ended: ${why}`,
    remedy: 'see that its source is served and the host has room, then hydrate again: what was copied stays',
  });
