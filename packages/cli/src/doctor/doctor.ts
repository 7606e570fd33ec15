import { HoldfastError } from '@holdfast/errors';
import { Command, Option } from 'commander';
import { writeAnswer } from '../output/answer.ts';
import { type SiteOptions, siteOptions } from '../site/with-site.ts';
import { stateCell } from '../site/words.ts';
import type { Surroundings } from '../surroundings.ts';
import { examine } from './examine.ts';
import { COMPONENTS, type Component } from './ports.ts';

export interface HealthOptions {
  readonly health: ReadonlyMap<string, string>;
}

interface DoctorOptions extends SiteOptions, HealthOptions {
  readonly component?: Component;
}

const HELP = `
Looks at the programs of Holdfast on this machine and what they say of themselves, at the ports that
this machine has to reach, at your login, and at what the configuration server knows: servers that are
away, alerts. Says what to do about each. Ends with status 1 when something is not well.

Run it on the machine that has the trouble. What a protection of one machine needs:
holdfast machine check MACHINE.

Examples:
  holdfast doctor
  holdfast doctor --component agent      # on a protected machine: the agent has to run here`;

/** `agent=127.0.0.1:19464` */
const parseHealth = (text: string, before: ReadonlyMap<string, string>): ReadonlyMap<string, string> => {
  const [, program, address] = /^([a-z-]+)=([\w.:[\]-]+:\d+)$/.exec(text) ?? [];
  if (program !== undefined && address !== undefined && (COMPONENTS as readonly string[]).includes(program))
    return new Map([...before, [program, address]]);
  throw new HoldfastError('SETTING_INVALID', {
    thing: `--health ${text}`,
    why: 'it names no program with an address',
    remedy: `give one like ${COMPONENTS[0]}=127.0.0.1:9464 (${COMPONENTS.join(', ')})`,
  });
};

export const healthOption = (): Option =>
  new Option(
    '--health <program=address>',
    'where a program tells of its health, if http.listen of its settings was changed; may be given again',
  )
    .argParser(parseHealth)
    .default(new Map(), 'the usual ports');

export const doctorCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('doctor').description('find out what is wrong here, and what to do about it'))
    .addOption(new Option('--component <program>', 'the program that has to run here').choices(COMPONENTS))
    .addOption(healthOption())
    .addHelpText('after', HELP)
    .action(async (options: DoctorOptions) => {
      const { component, context, health } = options;
      const found = await examine(surroundings, {
        addresses: health,
        ...(component === undefined ? {} : { component }),
        ...(context === undefined ? {} : { context }),
      });
      const isWell = found.every(({ result }) => result !== 'failed');
      const remedies = new Map(found.filter(({ remedy }) => remedy !== '').map(({ remedy, check, of }) => [remedy, `${check} ${of}`]));
      writeAnswer(surroundings, options, {
        data: { well: isWell, findings: found },
        people: [
          {
            columns: [{ heading: 'RESULT' }, { heading: 'CHECK' }, { heading: 'OF', shrink: true }, { heading: 'FOUND', shrink: true }],
            rows: found.map(({ result, check, of, found: words }) => [result === 'quiet' ? '-' : stateCell(result), check, of, words]),
          },
          ...(remedies.size === 0 ? [] : [{ line: '' }]),
          ...[...remedies].map(([remedy, about]) => ({ line: `${about}: ${remedy}` })),
        ],
      });
      if (!isWell) surroundings.onFindings();
    });
