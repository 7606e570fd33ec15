import { HoldfastError } from '@holdfast/errors';
import type { Protection } from '@holdfast/protocol';
import { hasInForce, type Known, type ServerPresence } from '../control/presence.ts';
import { find, type Stored } from '../records/kind.ts';
import { assignments, protections, servers } from '../records/kinds.ts';
import type { StateStore } from '../state/state-store.ts';
import { leastLoaded, serversFor } from './choose-server.ts';
import type { JobStep } from './job-plan.ts';
import type { JobRecord } from './job-record.ts';
import { until } from './until.ts';

/** How often a step that waits for a server to come looks around, milliseconds. */
const LOOK_AROUND = 1000;

export const everySecond = (listener: () => void): (() => void) => {
  const timer = setInterval(listener, LOOK_AROUND);
  return () => clearInterval(timer);
};

/** Whether a member has in force what was wanted of it at `revision`: for `until`. */
export const inForce =
  (get: () => Known<unknown, { readonly revision: bigint }> | undefined, revision: number): (() => true | undefined) =>
  () => {
    const known = get();
    return known !== undefined && hasInForce(known, revision) ? true : undefined;
  };

export const serverName = async (store: StateStore, id: string): Promise<string> => (await find(store, servers, id))?.value.name ?? id;

/** The protection a job is about. Rejects with MACHINE_NOT_PROTECTED when it is gone. */
export const protectionOf = async (store: StateStore, { protectionId }: JobRecord): Promise<Stored<Protection>> => {
  const protection = await find(store, protections, protectionId);
  if (protection !== undefined) return protection;
  throw new HoldfastError('MACHINE_NOT_PROTECTED', { thing: protectionId, why: 'the protection is gone', remedy: 'protect again' });
};

/** The process server that was asked for, else the one with the fewest machines; never `except`. Undefined while there is none. */
export const chooseFor = async (
  store: StateStore,
  presence: ServerPresence,
  vault: string,
  wanted: string,
  except = '',
): Promise<string | undefined> => {
  const candidates = (await serversFor(store, presence, vault)).filter((id) => id !== except);
  return leastLoaded(store, presence, wanted === '' ? candidates : candidates.filter((id) => id === wanted));
};

/**
 * The server of an assignment has it in force. Which server that is may change meanwhile. `lost` is called where it is not there, and throws
 * when there is nothing more to wait for.
 */
export const tellServerStep = (
  store: StateStore,
  presence: ServerPresence,
  serverOf: (job: JobRecord) => Promise<string>,
  lost: (server: string, isAssigned: boolean, since: number) => void = () => undefined,
): Required<Pick<JobStep, 'name' | 'wait'>> => ({
  name: 'tell process server',
  async wait(job, { signal, progress }) {
    const since = Date.now();
    let told = '';
    const first = await serverOf(job);
    const look = async (): Promise<true | undefined> => {
      const server = await serverOf(job);
      const assigned = await find(store, assignments, `${server}/${job.machineId}`);
      const known = presence.get(server);
      if (assigned === undefined || known?.connected !== true) lost(server, assigned !== undefined, Math.max(since, known?.lastSeen ?? 0));
      const detail = `waiting for ${server === '' ? 'a process server' : await serverName(store, server)} to be ready`;
      if (detail !== told) progress({ detail, fraction: -1 });
      told = detail;
      return assigned !== undefined && known !== undefined && hasInForce(known, assigned.version) ? true : undefined;
    };
    await until(look, [everySecond, (listener) => presence.subscribe(first, listener)], signal);
  },
});
