import { createHash, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { contentDigest, createContentDigest, frameHead } from './content-digest.ts';
import { createFrame, type FrameExtent, parseFrame, serializeFrame } from './frame.ts';

const BLOCK = 4096;
const frameOf = async (seed: number, blocks: number): Promise<Buffer> => {
  const extents: FrameExtent[] = [
    { offset: seed * 64 * BLOCK, length: blocks * BLOCK, kind: 'data' },
    { offset: (seed * 64 + 40) * BLOCK, length: BLOCK, kind: seed % 2 === 0 ? 'zero' : 'unreadable' },
  ];
  const data = seed % 3 === 0 ? randomBytes(blocks * BLOCK) : Buffer.alloc(blocks * BLOCK, seed + 1);
  return serializeFrame(await createFrame(extents, data));
};

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

describe('the content digest of frames', () => {
  it('is SHA-256 over all that stands before their payloads', async () => {
    const frames = [await frameOf(0, 3), await frameOf(1, 1), serializeFrame(await createFrame([], new Uint8Array(0)))];
    const heads = frames.map((frame) => frame.subarray(0, frame.length - parseFrame(frame).payload.length));
    expect(frames.map((frame) => frameHead(frame).length)).toEqual([16 + 32 + 48, 16 + 32 + 16, 16]);
    expect(same(contentDigest(frames), createHash('sha256').update(Buffer.concat(heads)).digest())).toBe(true);
  });

  it('goes on after it was asked for', async () => {
    const [a, b] = [await frameOf(2, 2), await frameOf(3, 2)];
    const digest = createContentDigest().add(a);
    expect(same(digest.value(), contentDigest([a]))).toBe(true);
    expect(same(digest.add(b).value(), contentDigest([a, b]))).toBe(true);
    expect(same(contentDigest([a, b]), contentDigest([b, a]))).toBe(false);
  });

  it('with the check of each frame finds every change of a frame', async () => {
    const frames = [await frameOf(3, 4), await frameOf(4, 4)];
    const good = contentDigest(frames);
    const passes = (changed: readonly Uint8Array[]): boolean => {
      try {
        for (const frame of changed) parseFrame(frame);
      } catch {
        return false;
      }
      return same(contentDigest(changed), good);
    };
    expect(passes(frames)).toBe(true);
    fc.assert(
      fc.property(fc.nat(1), fc.nat(), fc.integer({ min: 1, max: 255 }), (which, at, change) => {
        const changed = Buffer.from(frames[which]!);
        changed[at % changed.length]! ^= change;
        expect(passes(frames.with(which, changed))).toBe(false);
      }),
      { numRuns: 500 },
    );
    // Another frame that is whole in itself, one that is missing, and one that comes twice.
    const other = await frameOf(3, 4);
    for (const changed of [frames.with(0, other), frames.slice(1), [...frames, frames[1]!], frames.toReversed()])
      expect(passes(changed)).toBe(false);
    // The control: either look alone lets something pass.
    const payload = Buffer.from(frames[1]!);
    payload[payload.length - 1]! ^= 1;
    expect(same(contentDigest(frames.with(1, payload)), good)).toBe(true);
    expect(() => parseFrame(other)).not.toThrow();
  });

  it('takes what is no frame as a whole', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const head = frameHead(bytes);
        expect(same(head, bytes.subarray(0, head.length))).toBe(true);
        expect(bytes.length - head.length).toBeLessThanOrEqual(Math.max(0, bytes.length - 16));
      }),
    );
    expect(frameHead(Buffer.alloc(40, 0xff))).toHaveLength(40);
    expect(frameHead(Buffer.alloc(7))).toHaveLength(7);
  });
});
