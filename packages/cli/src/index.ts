export { runHoldfast } from './run.ts';
export type { OutputStream, Surroundings } from './surroundings.ts';
