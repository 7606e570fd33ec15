import { Option } from 'commander';
import { stringify } from 'yaml';
import type { Surroundings } from '../surroundings.ts';
import { printable } from './format.ts';
import { type Column, layOutTable } from './table.ts';

export const OUTPUT_FORMATS = ['table', 'json', 'yaml'] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

export interface OutputOptions {
  readonly output: OutputFormat;
}

/** `--output`, as every command has it. */
export const outputOption = (): Option =>
  new Option('-o, --output <format>', 'how the answer is written').choices(OUTPUT_FORMATS).default('table');

/** One part of an answer for people. */
export type Part = { readonly line: string } | { readonly columns: readonly Column[]; readonly rows: readonly (readonly string[])[] };

/** The same answer twice: for programs, and for people. */
export interface Answer {
  /** Plain values only. Its fields are part of the command's contract. */
  readonly data: unknown;
  readonly people: readonly Part[];
}

/** Writes the answer to standard output. Tables fit the terminal; a pipe or file gets them whole. */
export const writeAnswer = ({ stdout }: Surroundings, { output }: OutputOptions, { data, people }: Answer): void => {
  if (output === 'json') stdout.write(`${JSON.stringify(data, null, 2)}\n`);
  else if (output === 'yaml') stdout.write(stringify(data));
  else
    stdout.write(
      people
        .flatMap((part) => layOutPart(part, stdout.isTTY ? stdout.columns || undefined : undefined))
        .join('\n')
        .concat('\n'),
    );
};

const layOutPart = (part: Part, width: number | undefined): string[] =>
  'line' in part ? [printable(part.line)] : layOutTable(part.columns, part.rows, width);
