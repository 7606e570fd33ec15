/** A row as its cells stand in a file: objects become columns of their own, lists become JSON. */
const flatten = (value: unknown, name: string, row: Map<string, string>): void => {
  if (Array.isArray(value)) row.set(name, value.length === 0 ? '' : JSON.stringify(value));
  else if (typeof value === 'object' && value !== null)
    for (const [key, part] of Object.entries(value)) flatten(part, name === '' ? key : `${name}.${key}`, row);
  else row.set(name, typeof value === 'string' ? disarm(value) : value === null || value === undefined ? '' : String(value));
};

/** Names and texts come from machines and people: nothing of them shall be a formula to a spreadsheet (CWE-1236). */
const disarm = (text: string): string => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text);

/** RFC 4180. */
const quote = (cell: string): string => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);

/** Rows as comma-separated values under a line of headings; something that is no list is one row. */
export const renderCsv = (data: unknown): string => {
  const rows = (Array.isArray(data) ? data : [data]).map((one) => {
    const row = new Map<string, string>();
    flatten(one, typeof one === 'object' && one !== null && !Array.isArray(one) ? '' : 'value', row);
    return row;
  });
  const columns = [...new Set(rows.flatMap((row) => [...row.keys()]))];
  const lines = [columns, ...rows.map((row) => columns.map((column) => row.get(column) ?? ''))];
  return columns.length === 0 ? '' : lines.map((line) => `${line.map(quote).join(',')}\r\n`).join('');
};
