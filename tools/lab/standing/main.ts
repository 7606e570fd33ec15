import { HoldfastError } from '@holdfast/errors';
import { parseCommandLine, runMain } from '../../setup/command-line.ts';
import { parseOptions } from '../options.ts';
import { down } from './down.ts';
import { describeLab, readLabStatus } from './status.ts';
import { up } from './up.ts';

const HELP = `Usage: npm run lab -- up [--point-every S] [--vault file:DIR] | status [--output table|json] | down

A whole installation on this machine, to play with: Azurite (or the vault in a folder, which must be new or empty), configuration server,
process server and agent, each a process of its own, and a machine of two disks (loop devices; ext4 and XFS) that they protect.

  up       sets it up, says how to use it, and returns; a program that ends is started again. Needs root on Linux
  status   how it is; ends with 1 when it is not well or there is none
  down     takes all of it away, also what a lab left that was killed

There is one lab at a time. \`npm start\` may run beside it.`;

const readUp = (args: string[]): string[] => {
  const { values } = parseCommandLine({ args, options: { 'point-every': { type: 'string' }, vault: { type: 'string' } } });
  return Object.entries(values).flatMap(([name, value]) => [`--${name}`, value]);
};

const readOutput = (args: string[]): 'table' | 'json' => {
  const { output = 'table' } = parseCommandLine({ args, options: { output: { type: 'string', short: 'o' } } }).values;
  if (output === 'table' || output === 'json') return output;
  throw new HoldfastError('SETTING_INVALID', { thing: `--output ${output}`, why: 'there is no such form', remedy: 'use table or json' });
};

await runMain(async ([verb = '--help', ...args]) => {
  const print = (line: string): void => console.log(line);
  switch (verb) {
    case 'up': {
      const given = readUp(args);
      return up(given, parseOptions(given), print);
    }
    case 'status': {
      const output = readOutput(args);
      const status = await readLabStatus();
      if (output === 'json') print(JSON.stringify(status, null, 2));
      else for (const line of describeLab(status)) print(line);
      return status.state === 'up' ? 0 : 1;
    }
    case 'down':
      parseCommandLine({ args, options: {} });
      return down(print);
    case '--help':
    case '-h':
      print(HELP);
      return 0;
    default:
      throw new HoldfastError('SETTING_UNKNOWN', { thing: verb, why: 'the lab knows no such word', remedy: 'use up, status or down' });
  }
});
