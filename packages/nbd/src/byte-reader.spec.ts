import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import net, { type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { createByteReader } from './byte-reader.ts';

let directory: string;
let server: net.Server;
const accepted: ((socket: Socket) => void)[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-'));
  server = net.createServer((socket) => accepted.shift()?.(socket));
  await new Promise<void>((resolve) => server.listen(join(directory, 'socket'), resolve));
});
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  await rm(directory, { recursive: true });
});

const pair = async (): Promise<{ near: Socket; far: Socket }> => {
  const far = new Promise<Socket>((resolve) => accepted.push(resolve));
  const near = net.connect(join(directory, 'socket'));
  return { near, far: await far };
};

test('bytes come in order however they were sent and asked for', async () => {
  const data = randomBytes(2_000_000);
  const call = fc.tuple(fc.constantFrom('read', 'fill', 'skip'), fc.oneof(fc.nat(100), fc.nat(100_000), fc.nat(600_000)));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 400_000 }), { maxLength: 8 }), fc.array(call), async (writes, calls) => {
      const { near, far } = await pair();
      const reader = createByteReader(near);
      let sent = 0;
      for (const length of writes) {
        far.write(data.subarray(sent, sent + length));
        sent = Math.min(data.length, sent + length);
      }
      far.end();
      let at = 0;
      for (const [how, length] of calls) {
        const bounded = how === 'read' ? Math.min(length, 200_000) : length;
        const expected = data.subarray(at, at + bounded);
        const enough = at + bounded <= sent;
        if (how === 'skip') expect(await reader.skip(bounded)).toBe(enough);
        else if (how === 'fill') {
          const target = Buffer.alloc(bounded);
          expect(await reader.fill(target)).toBe(enough);
          if (enough) expect(target.equals(expected)).toBe(true);
        } else {
          const bytes = await reader.read(bounded);
          expect(bytes === undefined).toBe(!enough);
          if (enough) expect(bytes!.equals(expected)).toBe(true);
        }
        if (!enough) break;
        at += bounded;
      }
      near.destroy();
      far.destroy();
    }),
    { numRuns: 60 },
  );
});

test('what nobody asks for stays with the sender', async () => {
  const { near, far } = await pair();
  const reader = createByteReader(near);
  expect((await Promise.all([reader.read(1), far.write(randomBytes(64 * 1024 * 1024))]))[0]).toHaveLength(1);
  // The pause takes effect while the loop turns; afterwards nothing moves.
  let before = -1;
  while (near.bytesRead !== before) {
    before = near.bytesRead;
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }
  expect(near.bytesRead).toBeLessThan(2 * 1024 * 1024);
  expect(await reader.skip(64 * 1024 * 1024 - 1)).toBe(true);
  near.destroy();
  far.destroy();
});

test('a stopped reader says that the stream has ended', async () => {
  const { near, far } = await pair();
  const reader = createByteReader(near);
  const reading = reader.read(10);
  reader.stop();
  expect(await reading).toBeUndefined();
  expect(await reader.wait(1)).toBe(false);
  near.destroy();
  far.destroy();
});
