import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { VERSION } from './version.ts';

it('VERSION is the version of the tree', async () => {
  const manifest = JSON.parse(await readFile(path.join(__dirname, '../../../package.json'), 'utf8')) as { version: string };
  expect(VERSION).toBe(manifest.version);
});
