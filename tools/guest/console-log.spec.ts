import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { consoleTail, guestFailure } from './console-log.ts';

let directory: string;
let log: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'console-'));
  log = path.join(directory, 'console.log');
});
afterEach(() => rm(directory, { recursive: true }));

it('shows the end without colours and carriage returns', async () => {
  await writeFile(log, `${'early '.repeat(1000)}\r\n\x1b[0;1;31mKernel panic\x1b[0m\x07\r\n---[ end ]---\r\n`);
  const tail = consoleTail(log);
  expect(tail.length).toBeLessThanOrEqual(3000);
  expect(tail).toMatch(/early \nKernel panic\n---\[ end ]---$/);
});

it('puts it into the error', async () => {
  await writeFile(log, 'first\nsecond\n');
  expect(guestFailure(log, 'guest', 'it died').message).toContain(
    '[GUEST_FAILED] guest: it died; its console ends with\n  | first\n  | second\n',
  );
});

it('says so when nothing was printed', () => {
  expect(guestFailure(log, 'guest', 'it died').why).toBe('it died; its console is empty');
});
