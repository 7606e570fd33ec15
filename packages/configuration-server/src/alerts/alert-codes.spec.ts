import { readFileSync } from 'node:fs';
import path from 'node:path';
import { ALERT_CODES } from './alert-codes.ts';

it('docs/operations.md tells of every alert, and of no other', () => {
  const document = readFileSync(path.join(__dirname, '../../../../docs/operations.md'), 'utf8');
  const [, table = ''] = /^## Alerts\n([\s\S]*?)^## /m.exec(document) ?? [];
  const rows = table.split('\n').filter((line) => line.startsWith('| `'));
  const told = rows.flatMap((row) => [...row.split('|')[1]!.matchAll(/`([a-z-]+)`/g)].map(([, code]) => code));
  expect(told).toEqual(ALERT_CODES);
});
