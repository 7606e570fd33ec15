import path from 'node:path';

/** Where things are in the agent's state directory. */
export const disksFile = (stateDirectory: string): string => path.join(stateDirectory, 'disks.json');
export const desiredStateFile = (stateDirectory: string): string => path.join(stateDirectory, 'desired-state.json');
export const restedScriptsFile = (stateDirectory: string): string => path.join(stateDirectory, 'rested-scripts.json');
/** One directory for each machine this one was enrolled as. */
export const machinesDirectory = (stateDirectory: string): string => path.join(stateDirectory, 'machines');
