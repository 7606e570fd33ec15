export { program as configurationServerProgram } from './program.ts';
export { type Settings as ConfigurationServerSchema, settings as configurationServerSettings } from './settings.ts';
