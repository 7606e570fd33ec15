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

/** The log of a machine was not opened in so many milliseconds. */
export const notOpened = (machineId: string, patience: number): HoldfastError =>
  new HoldfastError('TIMED_OUT', {
    thing: `the log of machine ${machineId}`,
    why: `the vault did not let it be opened within ${patience / 1000} s`,
    remedy: "look at the process server's health: it tells what the vault says",
  });
