import { printable } from './format.ts';
import { paint, type Tone } from './tone.ts';

/** Words in a table, and how good the news is. */
export type Cell = string | { readonly text: string; readonly tone: Tone };

export interface Column {
  readonly heading: string;
  /** Numbers are set flush right. */
  readonly right?: boolean;
  /** May be cut when the terminal is narrow: the longest such column first. */
  readonly shrink?: boolean;
}

const GAP = 2;
const NARROWEST = 6;

export interface TableOptions {
  /** Characters of the widest line; no limit unless told. */
  readonly width?: number | undefined;
  readonly colours?: boolean;
  /** Characters that a column has at least, for tables whose rows come one by one. */
  readonly narrowest?: readonly number[];
}

/** Lays out rows in columns as wide as their widest cell, and no wider in all than `width`; cells that had to be cut end in `…`. */
export const layOutTable = (
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  { width = Number.POSITIVE_INFINITY, colours = false, narrowest = [] }: TableOptions = {},
): string[] => {
  const cells = rows.map((row) => row.map(settle));
  const widths = columns.map(({ heading }, at) =>
    cells.reduce((widest, row) => Math.max(widest, row[at]?.text.length ?? 0), Math.max(heading.length, narrowest[at] ?? 0)),
  );
  shrink(columns, widths, width);
  const layOut = (row: readonly SettledCell[]): string =>
    columns
      .map(({ right }, at) => {
        const { text, tone } = row[at] ?? EMPTY;
        const shown = cut(text, widths[at]!);
        const space = ' '.repeat(widths[at]! - shown.length);
        const painted = colours && tone !== undefined ? paint(shown, tone) : shown;
        return right ? space + painted : painted + space;
      })
      .join(' '.repeat(GAP))
      .trimEnd();
  return [layOut(columns.map(({ heading }) => ({ text: heading, tone: 'quiet' }))), ...cells.map(layOut)];
};

interface SettledCell {
  readonly text: string;
  readonly tone: Tone | undefined;
}

const EMPTY: SettledCell = { text: '', tone: undefined };

const settle = (cell: Cell): SettledCell =>
  typeof cell === 'string' ? { text: printable(cell), tone: undefined } : { text: printable(cell.text), tone: cell.tone };

const cut = (cell: string, width: number): string => (cell.length <= width ? cell : `${cell.slice(0, width - 1)}…`);

const shrink = (columns: readonly Column[], widths: number[], width: number): void => {
  let excess = widths.reduce((sum, one) => sum + one + GAP, -GAP) - width;
  while (excess > 0) {
    const widest = columns.reduce<number>(
      (best, column, at) => (column.shrink && widths[at]! > (widths[best] ?? NARROWEST) ? at : best),
      -1,
    );
    if (widest === -1) return;
    widths[widest]! -= 1;
    excess -= 1;
  }
};
