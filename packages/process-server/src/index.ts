export type { Journal, JournaledCut, OpenCut } from './journal/journal.ts';
export { type ProcessServerSchema, settings as processServerSettings } from './settings.ts';
