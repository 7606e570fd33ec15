import { HoldfastError } from '@holdfast/errors';
import { hasInForce } from '../control/presence.ts';
import { find, type Kind, plainKind } from '../records/kind.ts';
import { assignments, machines, protections } from '../records/kinds.ts';
import type { Transaction } from '../records/transaction.ts';
import { vaultName } from '../vaults/vault-record.ts';
import type { JobPlan } from './job-plan.ts';
import type { JobRecord } from './job-record.ts';
import type { PlanParts } from './protect-plan.ts';
import { chooseFor, everySecond, protectionOf, serverName, tellServerStep } from './steps.ts';
import { until } from './until.ts';

/** Where a machine is being moved to, while it is not there yet; its id is the machine's. */
const moves: Kind<{ readonly to: string }> = plainKind('move', 1);

const nowhere = (job: JobRecord): HoldfastError =>
  new HoldfastError('MACHINE_NOT_PROTECTED', { thing: job.machineId, why: 'its protection is gone', remedy: 'protect it again' });

/** The step after the machine's server has changed. */
const LAST = 2;

/** Milliseconds the other server may be away before the machine is no longer promised to it. */
const PATIENCE = 5 * 60_000;

const lost = (server: string): HoldfastError =>
  new HoldfastError('RESOURCE_NOT_FOUND', {
    thing: `process server ${server}`,
    why: 'it went away before it was ready for the machine',
    remedy: 'move the machine to another one; it stays where it was until then',
  });

/** Whoever looks after machines without a server finds another one. */
const giveUp = (server: string, isAssigned: boolean, since: number): void => {
  if (!isAssigned || Date.now() - since >= PATIENCE) throw lost(server);
};

/** Takes back what was prepared at the other server. */
const takeBack = async (transaction: Transaction, { machineId, protectionId }: JobRecord): Promise<void> => {
  const move = await transaction.read(moves, machineId);
  const protection = await transaction.read(protections, protectionId);
  if (move === undefined) return;
  if (protection?.value.processServerId !== move.value.to) transaction.delete(assignments, `${move.value.to}/${machineId}`);
  transaction.delete(moves, machineId);
};

/**
 * From one process server to another. Nothing is lost on the way: the machine keeps every cut until the vault has it, and the new server
 * takes a term above that of the old one, which can write nothing from then on, reachable or not.
 */
export const createMovePlan = ({ store, agents, servers: presence }: PlanParts): JobPlan => ({
  steps: [
    {
      name: 'choose process server',
      async wait(job, { signal, progress }) {
        const { vault, processServerId } = (await protectionOf(store, job)).value;
        progress({
          detail: `waiting for another connected process server that holds the vault ${await vaultName(store, vault)}`,
          fraction: -1,
        });
        await until(() => chooseFor(store, presence, vault, job.wantedServer, processServerId), [everySecond], signal);
      },
      async apply(transaction, job) {
        const protection = await transaction.read(protections, job.protectionId);
        const machine = await transaction.read(machines, job.machineId);
        if (protection === undefined || machine === undefined) throw nowhere(job);
        const { vault, processServerId } = protection.value;
        const to = await chooseFor(store, presence, vault, job.wantedServer, processServerId);
        if (to === undefined)
          throw new HoldfastError('CONNECTION_LOST', {
            thing: `process server for vault ${await vaultName(store, vault)}`,
            why: 'it went away a moment ago',
            remedy: 'wait for it',
          });
        transaction.put(assignments, `${to}/${job.machineId}`, { vault, machineName: machine.value.name });
        transaction.put(moves, job.machineId, { to });
        return `${await serverName(store, to)} will receive it`;
      },
    },
    {
      ...tellServerStep(
        store,
        presence,
        async (job) => {
          await protectionOf(store, job);
          return (await find(store, moves, job.machineId))?.value.to ?? '';
        },
        giveUp,
      ),
      async apply(transaction, job) {
        const move = await transaction.read(moves, job.machineId);
        const protection = await transaction.read(protections, job.protectionId);
        if (move === undefined || protection === undefined) throw nowhere(job);
        const place = `${move.value.to}/${job.machineId}`;
        const assigned = await transaction.read(assignments, place);
        if (assigned === undefined) throw lost(move.value.to);
        const { processServerId: from } = protection.value;
        transaction.put(protections, job.protectionId, { ...protection.value, processServerId: move.value.to });
        transaction.delete(moves, job.machineId);
        if (from !== '' && from !== move.value.to) transaction.delete(assignments, `${from}/${job.machineId}`);
        const machine = await transaction.read(machines, job.machineId);
        // It may have been renamed on the way.
        if (machine !== undefined && machine.value.name !== assigned.value.machineName)
          transaction.put(assignments, place, { ...assigned.value, machineName: machine.value.name });
        transaction.event({
          severity: 'information',
          code: 'machine-moved',
          text: `${machine?.value.name ?? job.machineId} goes through ${await serverName(store, move.value.to)} from now on`,
          subject: job.machineId,
          actor: job.startedBy,
        });
        return 'it is ready';
      },
    },
    {
      name: 'tell machine',
      async wait(job, { signal, progress }) {
        const { version } = await protectionOf(store, job);
        const look = (): string | undefined => {
          const known = agents.get(job.machineId);
          if (known === undefined || !known.connected) return 'it is not connected: it is told when it comes back';
          return hasInForce(known, version) ? 'it sends there' : undefined;
        };
        const detail = await until(look, [(listener) => agents.subscribe(job.machineId, listener)], signal);
        if (detail !== undefined) progress({ detail, fraction: -1 });
      },
    },
  ],
  cancelled: takeBack,
  failed: takeBack,
  async retried(transaction, { machineId, protectionId }, failed) {
    const machine = await transaction.read(machines, machineId);
    if (machine?.value.protectionId !== protectionId)
      throw new HoldfastError('MACHINE_NOT_PROTECTED', { thing: machineId, why: 'its protection is gone', remedy: 'protect it again' });
    // What was prepared at the other server was taken back, unless the machine goes there already.
    return failed === LAST ? failed : 0;
  },
});
