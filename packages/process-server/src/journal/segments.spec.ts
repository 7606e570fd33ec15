import { generateKeySync } from 'node:crypto';
import type { JournalDirectory, JournalFile } from './files.ts';
import { createSegments, usableBytes } from './segments.ts';

const SIZE = 1024 * 1024;
const key = { key: generateKeySync('aes', { length: 256 }), id: Buffer.alloc(16) };

/** A file system that has no room until it is given some. */
const fullDirectory = () => {
  let isFull = true;
  const names: string[] = [];
  const fileOf = (name: string): JournalFile => ({ name, size: SIZE, close: async () => undefined }) as unknown as JournalFile;
  const directory = {
    list: async () => [...names],
    create: async (name: string) => {
      if (isFull) throw new Error('there is no room');
      names.push(name);
      return fileOf(name);
    },
  } as unknown as JournalDirectory;
  const giveRoom = (): void => {
    isFull = false;
  };
  return { directory, giveRoom };
};

describe('segments on a file system that was full', () => {
  beforeEach(() => jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate'] }));
  afterEach(() => jest.useRealTimers());

  it.each([
    ['', 0],
    [' and the clock was set back meanwhile', -86_400_000],
    [' and the clock is a little slower than the timer', -1],
  ])('are made once it has room%s', async (_what, jump) => {
    const { directory, giveRoom } = fullDirectory();
    const segments = createSegments({
      directory,
      key: key as never,
      segmentBytes: SIZE,
      quota: 8 * SIZE,
      number: 0,
      used: [],
      free: [],
      onChange: () => undefined,
    });
    segments.prepare();
    await segments.settled();
    expect(segments.room).toBe(0);
    expect(segments.limit).toBe(0);
    giveRoom();
    jest.setSystemTime(Date.now() + jump);
    await jest.advanceTimersByTimeAsync(2000);
    await segments.settled();
    expect(segments.room).toBe(2 * usableBytes(SIZE));
    await segments.close();
  });
});
