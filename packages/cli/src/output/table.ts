import { printable } from './format.ts';

export interface Column {
  readonly heading: string;
  /** Numbers are set flush right. */
  readonly right?: boolean;
  /** May be cut when the terminal is narrow: the longest such column first. */
  readonly shrink?: boolean;
}

const GAP = 2;
const NARROWEST = 6;

/** Lays out rows in columns as wide as their widest cell, and no wider in all than `width`; cells that had to be cut end in `…`. */
export const layOutTable = (
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width = Number.POSITIVE_INFINITY,
): string[] => {
  const cells = rows.map((row) => row.map(printable));
  const widths = columns.map(({ heading }, at) => Math.max(heading.length, ...cells.map((row) => row[at]?.length ?? 0)));
  shrink(columns, widths, width);
  const layOut = (row: readonly string[]): string =>
    columns
      .map(({ right }, at) => {
        const cell = cut(row[at] ?? '', widths[at]!);
        return right ? cell.padStart(widths[at]!) : cell.padEnd(widths[at]!);
      })
      .join(' '.repeat(GAP))
      .trimEnd();
  return [layOut(columns.map(({ heading }) => heading)), ...cells.map(layOut)];
};

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
