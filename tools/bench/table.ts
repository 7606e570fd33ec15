import type { Row } from './row.ts';

const number = (value: number): string => (value === 0 ? '0' : String(Number(value.toPrecision(4))));

const HEADINGS = ['measure', 'value', 'against', 'ratio', 'spread', 'goal', 'stretch', 'met'];

const cells = ({ measure, value, unit, against, ratio, spread, goal, stretch, met }: Row): string[] => [
  measure,
  `${number(value)} ${unit}`,
  against ?? '',
  ratio === null ? '' : number(ratio),
  `${number(spread[0])} – ${number(spread[1])}`,
  goal ?? '',
  stretch ?? '',
  met ?? '',
];

/** The rows as a table for people. */
export const formatTable = (rows: readonly Row[]): string => {
  const lines = [HEADINGS, ...rows.map(cells)];
  const widths = HEADINGS.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
};
