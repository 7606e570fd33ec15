import koffi from 'koffi';
import { readInto } from './file.ts';
import { libc } from './libc.ts';

/** What a read comes to when the kernel answers so, call by call: a count, or an error number. */
const readOf = (...answers: ({ readonly count: number } | { readonly error: number })[]): number => {
  const left = [...answers];
  const read = jest.spyOn(libc(), 'read').mockImplementation(() => {
    const answer = left.shift()!;
    if ('count' in answer) return answer.count;
    koffi.errno(answer.error);
    return -1;
  });
  try {
    return readInto(5, 0n, 4096);
  } finally {
    read.mockRestore();
  }
};

const [EINTR, EIO, EAGAIN, ENODEV] = [4, 5, 11, 19] as const;

describe('reading what is there now', () => {
  it('tells how much that was, also after an interruption', () => {
    expect(readOf({ count: 4096 })).toBe(4096);
    expect(readOf({ error: EINTR }, { count: 16 })).toBe(16);
  });

  it('finds nothing where nothing is, and where the processor of a ring has never been', () => {
    expect(readOf({ error: EAGAIN })).toBe(0);
    expect(readOf({ error: ENODEV })).toBe(0);
  });

  it('fails with everything else', () => {
    expect(() => readOf({ error: EIO })).toThrow(expect.objectContaining({ code: 'EIO' }));
  });
});
