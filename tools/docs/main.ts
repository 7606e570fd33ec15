import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { boardJson } from './board.ts';
import { PROGRAMS } from './programs.ts';
import { withSettings } from './settings-tables.ts';
import { supportMarkdown } from './support.ts';

const FILE = path.resolve(import.meta.dirname, '../../docs/operations.md');

await writeFile(FILE, withSettings(await readFile(FILE, 'utf8'), PROGRAMS));
console.log(`${FILE} tells the settings as they are`);

const SUPPORT = path.resolve(import.meta.dirname, '../../docs/support.md');
await writeFile(SUPPORT, supportMarkdown());
console.log(`${SUPPORT} tells the checks as they are`);

const BOARD = path.resolve(import.meta.dirname, '../../deploy/grafana/holdfast.json');
await mkdir(path.dirname(BOARD), { recursive: true });
await writeFile(BOARD, boardJson());
console.log(`${BOARD} is the board`);
