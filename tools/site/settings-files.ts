import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { stringify } from 'yaml';

/** The settings file of a program, in the program's own directory. */
export interface ProgramFiles {
  readonly directory: string;
  readonly config: string;
  readonly logFile: string;
}

/** Makes the directory of a program and its settings file; state and log are kept there too. */
export const writeSettings = (parent: string, name: string, settings: Readonly<Record<string, unknown>>): ProgramFiles => {
  const directory = path.join(parent, name);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const config = path.join(directory, 'settings.yaml');
  writeFileSync(config, stringify({ state: { directory: path.join(directory, 'state') }, ...settings }), { mode: 0o600 });
  return { directory, config, logFile: path.join(directory, 'log.jsonl') };
};
