import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createMemoryDevice } from './memory-device.ts';
import { createOverlay } from './overlay.ts';

const SIZE = 8 * 1024 * 1024;

/** Where write number `number` goes and what it writes; the program below has the same arithmetic. */
const writeOf = (number: number): { offset: number; data: Buffer } => {
  const offset = (number * 7919 * 613) % (SIZE - 20_000);
  return { offset, data: Buffer.alloc(1 + ((number * 977) % 20_000), (number % 255) + 1) };
};

// Writes for ever and says which writes are complete.
const PROGRAM = `
  import { createMemoryDevice, createOverlay } from '@holdfast/block';
  import { writeSync } from 'node:fs';
  const [path, start] = process.argv.slice(1);
  const size = ${SIZE};
  const overlay = await createOverlay(createMemoryDevice(size), { identity: 'zeroes', path });
  for (let number = Number(start); ; number += 1) {
    const offset = (number * 7919 * 613) % (size - 20_000);
    await overlay.write(offset, Buffer.alloc(1 + ((number * 977) % 20_000), (number % 255) + 1));
    writeSync(1, number + '\\n');
  }
`;

test('a killed program loses no write that was complete, time after time', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-'));
  const path = join(directory, 'overlay');
  const model = Buffer.alloc(SIZE);
  let next = 1;
  for (let round = 0; round < 6; round += 1) {
    const parameters = ['--conditions=@holdfast/source', '--input-type=module', '-e', PROGRAM, path, String(next)];
    const child = spawn(process.execPath, parameters, { cwd: __dirname, stdio: ['ignore', 'pipe', 'inherit'] });
    let last = next - 1;
    for await (const line of createInterface(child.stdout)) {
      last = Number(line);
      if (last === next + 50 + round * 37) child.kill('SIGKILL');
    }
    if (child.signalCode === null) await once(child, 'exit');
    expect(child.signalCode).toBe('SIGKILL');
    for (let number = next; number <= last; number += 1) writeOf(number).data.copy(model, writeOf(number).offset);

    const overlay = await createOverlay(createMemoryDevice(SIZE), { identity: 'zeroes', path });
    const found = Buffer.alloc(SIZE);
    await overlay.read(0, found);
    await overlay.close();
    // The write that was under way may be there, in part or not at all.
    const { offset, data } = writeOf(last + 1);
    let wrong = -1;
    for (let at = 0; at < SIZE && wrong < 0; at += 1) {
      const under = at >= offset && at < offset + data.length;
      if (found[at] !== model[at] && !(under && found[at] === data[0])) wrong = at;
    }
    expect({ round, wrong }).toEqual({ round, wrong: -1 });
    found.copy(model, offset, offset, offset + data.length);
    next = last + 2;
  }
  expect(next).toBeGreaterThan(300);
  await rm(directory, { recursive: true });
});
