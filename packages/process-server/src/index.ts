export { program as processServerProgram } from './program.ts';
export { type ProcessServerSchema, settings as processServerSettings } from './settings.ts';
