import { setTimeout as sleep } from 'node:timers/promises';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Log } from '@holdfast/daemon';
import { fromSystem, type HoldfastError, isHoldfastError } from '@holdfast/errors';
import { idText, type ReleaseReportSchema, type WantedRelease } from '@holdfast/protocol';
import type { Vaults } from '../upload/vaults.ts';
import { release } from './fence.ts';

/** Releases fences of failovers that were committed: what runs of them goes on, and the source may append again. */
export interface Releases {
  /** What is to be released now; anything else is forgotten. */
  want(releases: readonly WantedRelease[]): void;
  reports(): readonly MessageInitShape<typeof ReleaseReportSchema>[];
  close(): Promise<void>;
}

export interface ReleasesOptions {
  readonly vaults: Pick<Vaults, 'open'>;
  readonly log: Log;
  /** Called whenever a report is another one. */
  onChange(): void;
  /** Milliseconds before the second attempt. */
  readonly pause?: number;
}

interface Work {
  readonly operationId: Uint8Array;
  readonly stop: AbortController;
  problem?: HoldfastError;
  released: boolean;
  done?: Promise<void>;
}

const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 60_000;

const isWhole = ({ operationId, machineId, seenTerm }: WantedRelease): boolean =>
  operationId.length === 16 && machineId.length === 16 && seenTerm <= BigInt(Number.MAX_SAFE_INTEGER);

export const createReleases = ({ vaults, log, onChange, pause: first = FIRST_PAUSE }: ReleasesOptions): Releases => {
  const works = new Map<string, Work>();

  const releaseOne = async ({ operationId, machineId, vault: name, seenTerm }: WantedRelease, signal: AbortSignal): Promise<void> => {
    try {
      const vault = await vaults.open(name);
      await release(vault, { id: idText(operationId), machineId: idText(machineId), seenTerm: Number(seenTerm) }, signal);
    } catch (reason) {
      // A vault that does not know the machine fences nothing.
      if (!isHoldfastError(reason, 'MACHINE_NOT_FOUND')) throw reason;
    }
  };

  const carryOut = async (wanted: WantedRelease, work: Work): Promise<void> => {
    const { signal } = work.stop;
    for (let pause = first; !signal.aborted; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      try {
        await releaseOne(wanted, signal);
        work.released = true;
        delete work.problem;
        log.warn('The fence of a failover that was committed is released: its source is protected again', {
          machine: idText(wanted.machineId),
        });
        return onChange();
      } catch (reason) {
        if (signal.aborted) return;
        work.problem = fromSystem(reason, `fence of machine ${idText(wanted.machineId)}`);
        log.warn('A fence is not released yet; it is tried again', { machine: idText(wanted.machineId), error: work.problem });
        onChange();
        await sleep(pause, undefined, { signal }).catch(() => undefined);
      }
    }
  };

  return {
    want(releases) {
      const named = new Set(releases.map(({ operationId }) => idText(operationId)));
      for (const [id, { stop }] of works) {
        if (named.has(id)) continue;
        stop.abort();
        works.delete(id);
      }
      for (const wanted of releases) {
        const id = idText(wanted.operationId);
        if (!isWhole(wanted) || works.has(id)) continue;
        const work: Work = { operationId: wanted.operationId, stop: new AbortController(), released: false };
        works.set(id, work);
        work.done = carryOut(wanted, work);
      }
    },
    reports: () =>
      [...works.values()].map(({ operationId, released, problem }) => ({
        operationId,
        released,
        ...(problem !== undefined && { problemCode: problem.code, problem: `${problem.thing}: ${problem.why}`, remedy: problem.remedy }),
      })),
    async close() {
      for (const { stop } of works.values()) stop.abort();
      await Promise.all([...works.values()].map(({ done }) => done));
    },
  };
};
