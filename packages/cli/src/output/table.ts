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
  /** Left out, the last such column first, when not even cut cells make room. */
  readonly optional?: boolean;
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
  const all = columns.map((column, at) => ({
    ...column,
    at,
    width: cells.reduce((widest, row) => Math.max(widest, row[at]?.text.length ?? 0), Math.max(column.heading.length, narrowest[at] ?? 0)),
  }));
  const shown = leaveOut(all, width);
  shrink(shown, width);
  const layOut = (row: readonly SettledCell[]): string =>
    shown
      .map((column) => {
        const { text, tone } = row[column.at] ?? EMPTY;
        const words = cut(text, column.width);
        const space = ' '.repeat(column.width - words.length);
        const painted = colours && tone !== undefined ? paint(words, tone) : words;
        return column.right ? space + painted : painted + space;
      })
      .join(' '.repeat(GAP))
      .trimEnd();
  return [layOut(columns.map(({ heading }) => ({ text: heading, tone: 'quiet' }))), ...cells.map(layOut)];
};

/** A column at its place, with the width it has for now. */
interface SizedColumn extends Column {
  readonly at: number;
  width: number;
}

interface SettledCell {
  readonly text: string;
  readonly tone: Tone | undefined;
}

const EMPTY: SettledCell = { text: '', tone: undefined };

const settle = (cell: Cell): SettledCell =>
  typeof cell === 'string' ? { text: printable(cell), tone: undefined } : { text: printable(cell.text), tone: cell.tone };

const cut = (cell: string, width: number): string => (cell.length <= width ? cell : `${cell.slice(0, width - 1)}…`);

const widthOf = (widths: readonly number[]): number => widths.reduce((sum, one) => sum + one + GAP, -GAP);

/** The columns that there is room for. */
const leaveOut = (columns: readonly SizedColumn[], width: number): SizedColumn[] => {
  const kept = [...columns];
  while (widthOf(kept.map((column) => (column.shrink ? Math.min(column.width, NARROWEST) : column.width))) > width) {
    const last = kept.findLastIndex(({ optional }) => optional);
    if (last === -1) break;
    kept.splice(last, 1);
  }
  return kept;
};

const shrink = (columns: readonly SizedColumn[], width: number): void => {
  for (let excess = widthOf(columns.map((column) => column.width)) - width; excess > 0; excess -= 1) {
    const widest = columns.reduce<SizedColumn | undefined>(
      (best, column) => (column.shrink && column.width > (best?.width ?? NARROWEST) ? column : best),
      undefined,
    );
    if (widest === undefined) return;
    widest.width -= 1;
  }
};
