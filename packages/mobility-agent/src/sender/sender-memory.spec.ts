import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { create } from '@bufbuild/protobuf';
import { LogAnchorSchema } from '@holdfast/protocol';
import { openSenderMemory, withMet } from './sender-memory.ts';

describe("a sender's memory", () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'memory-'));
  afterAll(() => fs.rmSync(directory, { recursive: true }));
  const file = path.join(directory, 'sender.json');
  const anchor = create(LogAnchorSchema, { sequence: 2n ** 63n, term: 3n, tag: Uint8Array.from([1, 2, 255]) });

  it('begins with nothing and keeps what it is told', async () => {
    const memory = await openSenderMemory({ file });
    expect(memory.current).toEqual({ seenTerm: 0n, anchor: undefined, newestPoint: 0, points: 0, metResyncs: [] });
    await memory.remember({ seenTerm: 2n ** 64n - 1n });
    await memory.remember({ anchor, newestPoint: 1_700_000_000_000, points: 7 });
    expect((await openSenderMemory({ file })).current).toEqual({
      seenTerm: 2n ** 64n - 1n,
      anchor,
      newestPoint: 1_700_000_000_000,
      points: 7,
      metResyncs: [],
    });
  });

  it('takes what changes with every point to memory, and to the disk when that is little of what changed, with a new term, and at the end', async () => {
    const files = { file: path.join(directory, 'cold.json'), hotFile: path.join(directory, 'hot.json') };
    let now = 1e9;
    const onDisk = async () => (await openSenderMemory({ file: files.file })).current.newestPoint;
    const memory = await openSenderMemory(files, () => now);
    await memory.remember({ newestPoint: 1 }, 1 << 20);
    expect(await onDisk()).toBe(1);
    now += 59_999;
    await memory.remember({ newestPoint: 2 }, 1 << 20);
    expect([await onDisk(), (await openSenderMemory(files)).current.newestPoint]).toEqual([1, 2]);
    now += 1;
    await memory.remember({ newestPoint: 3, anchor });
    expect(await onDisk()).toBe(3);
    // An idle machine stays idle, but for once an hour.
    now += 3_599_999;
    await memory.remember({ newestPoint: 3 }, (1 << 20) - 1);
    await memory.remember({ newestPoint: 4 });
    expect(await onDisk()).toBe(3);
    now += 1;
    await memory.remember({});
    expect(await onDisk()).toBe(4);
    await memory.remember({ newestPoint: 5, seenTerm: 9n });
    expect(await onDisk()).toBe(5);
    await memory.remember({ newestPoint: 6, points: 8, metResyncs: [] });
    await memory.flush();
    expect(await onDisk()).toBe(6);
    // What is in memory may be gone, or of before: the newest of both counts.
    fs.rmSync(files.hotFile);
    expect((await openSenderMemory(files)).current).toEqual({ seenTerm: 9n, anchor, newestPoint: 6, points: 8, metResyncs: [] });
    await memory.forgetVault();
    expect((await openSenderMemory(files)).current).toEqual({ seenTerm: 9n, anchor: undefined, newestPoint: 0, points: 0, metResyncs: [] });
  });

  it('knows requests that were met long ago too, however often others were since, and what an earlier version kept', async () => {
    const [first, second] = ['1'.repeat(32), '2'.repeat(32)] as const;
    const at = path.join(directory, 'met.json');
    const known = { seenTerm: '1', newestPoint: '0', points: '0', anchor: null };
    fs.writeFileSync(at, JSON.stringify({ ...known, resyncId: first }));
    const memory = await openSenderMemory({ file: at });
    expect(memory.current.metResyncs).toEqual([first]);
    await memory.remember({ metResyncs: withMet(memory.current.metResyncs, second) });
    expect((await openSenderMemory({ file: at })).current.metResyncs).toEqual([second, first]);
    expect(withMet([second, first], first)).toEqual([first, second]);
    const many = Array.from({ length: 40 }, (_, index) => index.toString(16).padStart(32, '0'));
    expect(many.reduce<readonly string[]>(withMet, [])).toHaveLength(16);
    fs.writeFileSync(at, JSON.stringify({ ...known, metResyncs: ['x'] }));
    await expect(openSenderMemory({ file: at })).rejects.toMatchObject({ code: 'DAMAGED' });
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
    await expect(openSenderMemory({ file })).rejects.toMatchObject({ code: 'DAMAGED', thing: file });
  });
});
