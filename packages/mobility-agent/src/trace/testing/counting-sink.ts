import type { WriteSink } from '../write-trace.ts';

export interface CountingSink extends WriteSink {
  readonly seen: { issued: number; requeued: number; completed: number; sectors: number };
}

export const createCountingSink = (): CountingSink => {
  const seen = { issued: 0, requeued: 0, completed: 0, sectors: 0 };
  return {
    seen,
    issued: () => {
      seen.issued += 1;
    },
    requeued: () => {
      seen.requeued += 1;
    },
    completed: (_disk, _offset, length) => {
      seen.completed += 1;
      seen.sectors += length / 512;
    },
  };
};
