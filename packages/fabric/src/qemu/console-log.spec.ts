import { appendFile, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { trimConsole } from './console-log.ts';

it('keeps the end of a console that says too much, and whoever writes goes on behind it', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'hfc-'));
  const file = path.join(directory, 'console.log');
  try {
    await trimConsole(file, 100, 10);
    await appendFile(file, 'x'.repeat(100));
    await trimConsole(file, 100, 10);
    expect((await readFile(file)).length).toBe(100);
    const writer = await open(file, 'a');
    await writer.writeFile('0123456789');
    await trimConsole(file, 100, 10);
    await writer.writeFile('and on');
    await writer.close();
    expect(await readFile(file, 'utf8')).toBe('0123456789and on');
  } finally {
    await rm(directory, { recursive: true });
  }
});
