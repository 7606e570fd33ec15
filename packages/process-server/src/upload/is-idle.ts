import { type Cut, PointKind } from '@holdfast/protocol';

/** Nothing has changed since the cut before it, and it is a point like any other. */
export const isIdle = ({ epochs, generations, manifest, point }: Cut): boolean =>
  generations.length === 0 &&
  manifest === undefined &&
  point?.kind === PointKind.CRASH &&
  epochs.every(({ open, dataBytes, zeroBytes, unreadableBytes }) => !open && dataBytes + zeroBytes + unreadableBytes === 0n);
