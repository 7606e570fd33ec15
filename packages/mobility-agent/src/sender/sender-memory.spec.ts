import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { create } from '@bufbuild/protobuf';
import { LogAnchorSchema } from '@holdfast/protocol';
import { openSenderMemory } from './sender-memory.ts';

describe("a sender's memory", () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'memory-'));
  afterAll(() => fs.rmSync(directory, { recursive: true }));
  const file = path.join(directory, 'sender.json');
  const anchor = create(LogAnchorSchema, { sequence: 2n ** 63n, term: 3n, tag: Uint8Array.from([1, 2, 255]) });

  it('begins with nothing and keeps what it is told', async () => {
    const memory = await openSenderMemory(file);
    expect(memory.current).toEqual({ seenTerm: 0n, anchor: undefined, newestPoint: 0, points: 0 });
    await memory.remember({ seenTerm: 2n ** 64n - 1n });
    await memory.remember({ anchor, newestPoint: 1_700_000_000_000, points: 7 });
    expect((await openSenderMemory(file)).current).toEqual({ seenTerm: 2n ** 64n - 1n, anchor, newestPoint: 1_700_000_000_000, points: 7 });
  });

  it.each([
    '[]',
    '{}',
    '"text"',
    'null',
    '{"seenTerm":"1","newestPoint":"0","points":"0"}',
    '{"seenTerm":1,"newestPoint":"0","points":"0","anchor":null}',
    '{"seenTerm":"-1","newestPoint":"0","points":"0","anchor":null}',
    '{"seenTerm":"18446744073709551616","newestPoint":"0","points":"0","anchor":null}',
    '{"seenTerm":"1","newestPoint":"0","points":"0","anchor":{"sequence":"1","term":"1","tag":"0"}}',
    '{"seenTerm":"1","newestPoint":"0","points":"0","anchor":{"sequence":"1","tag":"00"}}',
    '{"seenTerm":"1","newestPoint":"0","points":"0","anchor":7}',
  ])('is refused by name when it cannot be: %s', async (text) => {
    fs.writeFileSync(file, text);
    await expect(openSenderMemory(file)).rejects.toMatchObject({ code: 'DAMAGED', thing: file });
  });
});
