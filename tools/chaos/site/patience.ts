import { availableParallelism, loadavg } from 'node:os';

const SECONDS = 180;
/** Programs that want each processor, from which on all takes longer; and how many times longer is waited at most. */
const CROWD = 4;
const MOST = 5;

/** How many seconds an installation may take for what it usually does in ten or twenty, unless something breaks it: more where others want the processors. */
export const patience = (): number => SECONDS * Math.min(MOST, Math.max(1, loadavg()[0]! / (CROWD * availableParallelism())));
