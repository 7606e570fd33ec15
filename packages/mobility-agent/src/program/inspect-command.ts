import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { type Command, defineCommand, filePath, oneOf } from '@holdfast/daemon';
import { HoldfastError } from '@holdfast/errors';
import { describeFinding } from '../hrl/describe-finding.ts';
import { findInHrl } from '../hrl/inspect.ts';
import { machinesDirectory } from './places.ts';
import type { AgentSchema } from './settings.ts';

const OPTIONS = {
  directory: filePath({ optional: true, help: "The log's directory on disk; found in the state directory unless given" }),
  memoryDirectory: filePath({ optional: true, help: "The log's directory in memory; as the log says unless given" }),
  output: oneOf(['text', 'json'], { default: 'text', help: 'Form of the output' }),
};

/** The logs of the machines this agent worked for. */
const findLogs = async (stateDirectory: string, elsewhere: string | undefined): Promise<string[]> => {
  const parent = elsewhere ?? machinesDirectory(stateDirectory);
  const names = await readdir(parent).catch(() => []);
  return names.map((name) => path.join(parent, name, ...(elsewhere === undefined ? ['log'] : [])));
};

/** `holdfast-agent hrl inspect`. */
export const inspectCommand: Command<AgentSchema> = defineCommand<AgentSchema, typeof OPTIONS>({
  summary: "Shows what is in the agent's own log (.hrl), also of a damaged one; changes nothing.",
  options: OPTIONS,
  async run({ settings, options, print }) {
    const { directory, memoryDirectory } = options;
    const directories = directory === undefined ? await findLogs(settings.state.directory, settings.hrl.directory) : [directory];
    if (directories.length === 0) {
      throw new HoldfastError('OBJECT_NOT_FOUND', {
        thing: settings.state.directory,
        why: 'there is no log of any machine',
        remedy: 'name its directory by --directory',
      });
    }
    const places = memoryDirectory === undefined ? {} : { hotDirectory: memoryDirectory };
    const logs = directories.map((one) => ({ directory: one, findings: findInHrl({ directory: one, ...places }) }));
    if (options.output === 'json') print(JSON.stringify(logs.map(({ findings, ...log }) => ({ ...log, findings: [...findings] }))));
    else for (const { findings } of logs) for (const finding of findings) for (const line of describeFinding(finding)) print(line);
    return 0;
  },
});
