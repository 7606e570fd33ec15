/** Lays out rows under headings in columns wide enough for their widest cell. Columns named in `right` are set flush right. */
export const table = (headings: readonly string[], rows: readonly (readonly string[])[], right: readonly string[] = []): string[] => {
  const widths = headings.map((heading, column) => Math.max(heading.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const layOut = (cells: readonly string[]): string =>
    widths
      .map((width, column) => {
        const cell = cells[column] ?? '';
        return right.includes(headings[column]!) ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  return [layOut(headings), layOut(widths.map((width) => '-'.repeat(width))), ...rows.map(layOut)];
};
