import { HoldfastError } from '@holdfast/errors';

/** A machine has one stream. */
export const replaced = (machineId: string): HoldfastError =>
  new HoldfastError('CONNECTION_LOST', {
    thing: `the replication stream of machine ${machineId}`,
    why: 'the machine opened a newer one',
    remedy: 'nothing, when the agent was started again; else look for a second agent with the same identity',
  });

/** It has to be opened again. */
export const lost = (machineId: string, why: string): HoldfastError =>
  new HoldfastError('CONNECTION_LOST', { thing: `the replication stream of machine ${machineId}`, why, remedy: 'open it again' });
