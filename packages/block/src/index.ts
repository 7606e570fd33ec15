export type { BlockDevice } from './block-device.ts';
export { type BlockRun, type BlockSet, createBlockSet, runExtent } from './block-set.ts';
export { CODEC, type CodecName, decode, type Encoded, encode } from './codec.ts';
export { type ContentDigest, contentDigest, createContentDigest } from './content-digest.ts';
export { createDeviceGuard, type DeviceGuard, type GuardedDevice } from './device-guard.ts';
export { DIGEST_SIZE, digestBlock, digestBlocks } from './digest.ts';
export { holdExclusively } from './exclusive-use.ts';
export { type Extent, extentEnd, mergeExtents, totalLength } from './extent.ts';
export { createFileDevice, type FileDeviceOptions, openFileDevice } from './file-device.ts';
export {
  createFrame,
  type ExtentKind,
  FRAME_DATA_LIMIT,
  FRAME_EXTENT_LENGTH_LIMIT,
  FRAME_EXTENT_LIMIT,
  type Frame,
  type FrameExtent,
  openFrame,
  parseFrame,
  serializeFrame,
} from './frame.ts';
export { frameCrc } from './frame-crc.ts';
export { BLOCK_SIZE, blockCount, blockLength } from './geometry.ts';
export { giveBack } from './give-back.ts';
export {
  COARSE_SPAN,
  coarsen,
  isUnknown,
  knownDigests,
  markZeroes,
  sameKnown,
  UNKNOWN_MARK,
  ZERO_MARK,
} from './known-digests.ts';
export { LEAF_WORDS, REGION_BLOCKS } from './leaf-bits.ts';
export { createMemoryDevice } from './memory-device.ts';
export { createOverlay, type OverlayOptions } from './overlay.ts';
export type { Overlay } from './overlay-device.ts';
export { createRegionBlockSet, type LeafMemory, REGION, type RegionTable } from './region-block-set.ts';
export { serveThread } from './serve-thread.ts';
export { createSparseBlockSet } from './sparse-block-set.ts';
export { endThread, endThreads, startThread } from './start-thread.ts';
