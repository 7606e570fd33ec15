import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { createProgram } from './program.ts';

const DOCUMENT = readFileSync(path.join(__dirname, '../../../docs/cli.md'), 'utf8');

const stream = { write: () => true };
const program = createProgram({
  stdout: stream,
  stderr: stream,
  environment: {},
  stop: new AbortController().signal,
  now: () => 0,
  openStore: () => Promise.reject(new Error('nobody opens one here')),
  openKeyVault: () => {
    throw new Error('nobody asks one here');
  },
  onFindings: () => {},
});

/** All commands that do something, as `noun verb`; one with verbs and options of its own does something by itself too. */
const leaves = (command: Command, words: readonly string[]): { name: string; command: Command }[] => [
  ...(command.commands.length === 0 || (words.length > 0 && command.options.length > 0) ? [{ name: words.join(' '), command }] : []),
  ...command.commands.flatMap((child) => leaves(child, [...words, child.name()])),
];

const COMMANDS = leaves(program, []);
const OPTIONS = new Set(COMMANDS.flatMap(({ command }) => command.options.map(({ long }) => long!)));

/** Words of first cells of the table of commands: `machine list`, `show MACHINE` makes `machine list` and `machine show`. */
const listed = (document: string): string[] =>
  document
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .split('|')[1]!
        .split('`')
        .filter((_, at) => at % 2 === 1),
    )
    .filter(([first]) => !first!.startsWith('--'))
    .flatMap((entries) => {
      // The noun, of one or two words, stands before the first verb only.
      const words = wordsOf(entries[0]!);
      const noun = hasVerbs(words[0]!) ? words.slice(0, -1) : [];
      return entries.map((entry, at) => [...(at === 0 ? [] : noun), ...wordsOf(entry)].join(' '));
    });

/** Without arguments and options: `show MACHINE` makes `show`. */
const wordsOf = (entry: string): string[] => /^[a-z-]+(?: [a-z][a-z-]*)*/.exec(entry)![0].split(' ');
const hasVerbs = (noun: string): boolean => (program.commands.find((one) => one.name() === noun)?.commands.length ?? 0) > 0;

describe('docs/cli.md', () => {
  it('lists every command, and none that is not there', () => {
    expect(listed(DOCUMENT).sort()).toEqual(COMMANDS.map(({ name }) => name).sort());
    expect(listed('| `machine list`, `dance MACHINE` | x |')).toEqual(['machine list', 'machine dance']);
  });

  it.each([...OPTIONS])('tells of %s', (option) => {
    expect(new RegExp(`${option}(?![a-z-])`).test(DOCUMENT)).toBe(true);
  });

  it('tells of no option that is not there', () => {
    const foreign = ['--help'];
    const told = DOCUMENT.match(/(?<![\w-])--[a-z][a-z-]*/g) ?? [];
    expect(told.filter((option) => !OPTIONS.has(option) && !foreign.includes(option))).toEqual([]);
    expect(told.length).toBeGreaterThan(20);
  });

  it('shows examples that the program takes: their commands and options are there', () => {
    const examples = [...DOCUMENT.matchAll(/^(?:npm run )?holdfast ([a-z]+(?: [a-z]+){0,2})(.*)$/gm)];
    expect(examples.length).toBeGreaterThan(5);
    for (const [, words = ''] of examples) {
      const known = COMMANDS.some(({ name }) => `${words} `.startsWith(`${name} `));
      expect({ words, known }).toEqual({ words, known: true });
    }
  });
});

describe('--help of every command', () => {
  it.each(COMMANDS.map(({ name, command }) => [name, command] as const))('%s says what it does', (_, command) => {
    expect(command.description()).not.toBe('');
    for (const { description, long } of command.options) expect({ long, described: description !== '' }).toEqual({ long, described: true });
  });
});
