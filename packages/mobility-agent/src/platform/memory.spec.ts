import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { allocateFile } from './file.ts';
import { type MappedMemory, mapShared } from './memory.ts';

const PAGE = 4096;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'holdfast-memory-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const map = (name: string): MappedMemory => {
  const fd = openSync(join(folder, name), 'w+');
  allocateFile(fd, 2 * PAGE);
  const mapped = mapShared(fd, 2 * PAGE);
  closeSync(fd);
  return mapped;
};

/** By the name of the file: an address may be taken by something else at once. */
const isMapped = (name: string): boolean => readFileSync('/proc/self/maps', 'latin1').includes(join(folder, name));

/** Collects garbage and lets what waits for that run, until the file is unmapped or that has been tried often enough. */
const unmapsWithin = async (name: string, attempts: number): Promise<boolean> => {
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    collect();
    await turn();
    if (!isMapped(name)) return true;
  }
  return false;
};

const views: [string, (bytes: Uint8Array<ArrayBuffer>) => Uint8Array | Uint32Array | DataView][] = [
  ['a subarray', (bytes) => bytes.subarray(PAGE, PAGE + 16)],
  ['a Buffer', (bytes) => Buffer.from(bytes.buffer, PAGE, 16)],
  ['a Uint32Array', (bytes) => new Uint32Array(bytes.buffer, PAGE, 4)],
  ['a DataView', (bytes) => new DataView(bytes.buffer, PAGE)],
];

test.each(views)('%s keeps the memory mapped; without it, it is unmapped', async (_, viewOf) => {
  // In a function of its own, so that nothing else of the memory is left on the stack.
  const left = { view: ((): unknown => viewOf(map('kept').bytes))() };
  (() => void viewOf(map('dropped').bytes))();
  expect(await unmapsWithin('dropped', 50)).toBe(true);
  expect(await unmapsWithin('kept', 5)).toBe(false);
  left.view = undefined;
  expect(await unmapsWithin('kept', 50)).toBe(true);
});
