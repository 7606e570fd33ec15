import { HoldfastError } from '@holdfast/errors';
import { DiskPhase } from '@holdfast/protocol';
import type { HrlHead } from '../hrl/hrl.ts';
import { type DiskView, diskStatus } from './disk-status.ts';

const ID = 'a'.repeat(32);
const disk = { id: ID, path: '/dev/a', kind: 'device', size: 1000, key: 'k' } as const;
const closed: HrlHead = {
  diskId: ID,
  generationId: 'b'.repeat(32),
  number: 3,
  open: false,
  coveredThrough: 0,
  diskSize: 1000,
  ended: false,
  state: undefined,
};
const open: HrlHead = { ...closed, open: true, coveredThrough: 400 };
const gone = new HoldfastError('DEVICE_NOT_FOUND', { thing: '/dev/a', why: 'it is gone', remedy: 'attach it' });
const well: DiskView = {
  capture: { resyncs: new Map(), missing: new Map() },
  head: closed,
  isProtected: true,
  wasCopied: true,
  isFull: false,
  isPaused: false,
  problem: undefined,
};
const withResync = { resyncs: new Map([[ID, 'lost']]), missing: new Map() };

describe('what is said of a disk', () => {
  it.each<[string, Partial<DiskView>, DiskPhase, number, string | undefined]>([
    ['all is well', {}, DiskPhase.REPLICATING, 1000, undefined],
    ['not protected', { isProtected: false, problem: { code: 'X', text: 'y' } }, DiskPhase.UNPROTECTED, 0, undefined],
    ['nothing copied yet', { head: undefined, wasCopied: false }, DiskPhase.COPYING, 0, undefined],
    ['copied in part', { head: open, wasCopied: false }, DiskPhase.COPYING, 400, undefined],
    ['continuity just lost', { capture: withResync }, DiskPhase.RESYNCHRONIZING, 0, 'CONTINUITY_LOST'],
    ['copied anew in part', { capture: withResync, head: open }, DiskPhase.RESYNCHRONIZING, 400, 'CONTINUITY_LOST'],
    ['copied anew after a restart', { head: open }, DiskPhase.RESYNCHRONIZING, 400, undefined],
    ['the log is full', { isFull: true }, DiskPhase.TRACKING, 1000, 'NO_SPACE'],
    ['missing', { capture: { resyncs: new Map(), missing: new Map([[ID, gone]]) } }, DiskPhase.FAILED, 1000, 'DEVICE_NOT_FOUND'],
    [
      'another one missing',
      { capture: { resyncs: new Map(), missing: new Map([['c', gone]]) } },
      DiskPhase.TRACKING,
      1000,
      'DEVICE_NOT_FOUND',
    ],
    [
      'nothing can be captured',
      { capture: undefined, problem: { code: 'NO_PERMISSION', text: 'no' } },
      DiskPhase.FAILED,
      1000,
      'NO_PERMISSION',
    ],
  ])('%s', (_, change, phase, copiedBytes, code) => {
    const status = diskStatus(disk, { ...well, ...change });
    expect(status).toMatchObject({ id: ID, path: '/dev/a', size: 1000, phase, copiedBytes });
    expect(status.problem?.code).toBe(code);
  });
});
