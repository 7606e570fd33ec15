import { Option } from 'commander';
import { stringify } from 'yaml';
import type { Surroundings } from '../surroundings.ts';
import { renderCsv } from './csv.ts';
import { printable } from './format.ts';
import { type Cell, type Column, layOutTable } from './table.ts';
import { wantsColours } from './tone.ts';

const OUTPUT_FORMATS = ['table', 'json', 'yaml', 'csv'] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

export interface OutputOptions {
  readonly output: OutputFormat;
}

/** `--output`, as every command has it. */
export const outputOption = (): Option =>
  new Option('-o, --output <format>', 'how the answer is written').choices(OUTPUT_FORMATS).default('table');

/** One part of an answer for people. */
export type Part = { readonly line: string } | { readonly columns: readonly Column[]; readonly rows: readonly (readonly Cell[])[] };

/** The same answer twice: for programs, and for people. */
export interface Answer {
  /** Plain values only. Its fields are part of the command's contract. */
  readonly data: unknown;
  readonly people: readonly Part[];
}

/** Writes the answer to standard output. Tables fit the terminal; a pipe or file gets them whole. */
export const writeAnswer = (surroundings: Surroundings, options: OutputOptions, answer: Answer): void =>
  void surroundings.stdout.write(renderAnswer(surroundings, options, answer));

/** The answer as text that ends its last line. */
export const renderAnswer = (surroundings: Surroundings, { output }: OutputOptions, { data, people }: Answer): string => {
  if (output === 'json') return `${JSON.stringify(data, null, 2)}\n`;
  if (output === 'yaml') return stringify(data);
  if (output === 'csv') return renderCsv(data);
  return people
    .flatMap((part) => layOutPart(part, surroundings))
    .join('\n')
    .concat('\n');
};

const layOutPart = (part: Part, { stdout, environment }: Surroundings): string[] => {
  if ('line' in part) return [printable(part.line)];
  const width = stdout.isTTY ? stdout.columns || undefined : undefined;
  return layOutTable(part.columns, part.rows, { width, colours: wantsColours(stdout, environment) });
};
