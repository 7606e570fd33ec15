import { hash, randomBytes } from 'node:crypto';
import { digestBlocks } from '@holdfast/block';
import type { Bench } from '../bench.ts';
import { comparePairs, measureThroughput } from '../measure.ts';

const MEBIBYTE = 1 << 20;
const PIECE = randomBytes(MEBIBYTE);
const PIECES = 192;

/** What it costs to keep a digest of every 4 KiB block instead of one for a larger piece. */
export const bench: Bench = {
  name: 'digest',
  about: 'SHA-256/128 of every 4 KiB block against one plain SHA-256 of each MiB',
  tools: [],
  run: ({ pairs }) =>
    comparePairs({
      measure: 'SHA-256/128 per 4 KiB',
      unit: 'MB/s',
      ours: { name: 'digestBlocks', run: () => eachPiece(() => digestBlocks(PIECE)) },
      theirs: { name: 'SHA-256 per MiB', run: () => eachPiece(() => hash('sha256', PIECE, 'buffer')) },
      pairs,
    }),
};

const eachPiece = (work: () => unknown) =>
  measureThroughput(PIECES * MEBIBYTE, () => {
    for (let piece = 0; piece < PIECES; piece += 1) work();
  });
