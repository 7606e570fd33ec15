import { create, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { ReplicateRequestSchema } from '../gen/holdfast/v1/replication_pb.ts';
import { encodeFrames, payloadSize, scatterFrames, splitFrames } from './frames-payload.ts';

const byProtobuf = (epochIndex: number, firstFrame: number, payload: Uint8Array): Buffer =>
  Buffer.from(
    toBinary(
      ReplicateRequestSchema,
      create(ReplicateRequestSchema, { message: { case: 'frames', value: { epochIndex, firstFrame: BigInt(firstFrame), payload } } }),
    ),
  );

/** As the library does it: to behind five bytes of its own. */
const gathered = (...[epochIndex, firstFrame, frames]: Parameters<typeof scatterFrames>): Buffer => {
  const message = scatterFrames(epochIndex, firstFrame, frames);
  const bytes = Buffer.alloc(message.length + 5);
  message.copy(bytes, 5);
  return bytes.subarray(5);
};

const epochIndex = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 0xffff_ffff }));
const firstFrame = fc.oneof(fc.nat(300), fc.maxSafeNat());
const frame = fc.uint8Array({ minLength: 1, maxLength: 300 });

describe('encodeFrames and scatterFrames', () => {
  it('make the bytes that protobuf makes', () => {
    fc.assert(
      fc.property(epochIndex, firstFrame, fc.uint8Array({ maxLength: 40_000 }), (epoch, first, payload) => {
        expect(encodeFrames(epoch, first, payload).equals(byProtobuf(epoch, first, payload))).toBe(true);
      }),
    );
  });

  it('agree: frames that lie apart, and their payload', () => {
    fc.assert(
      fc.property(epochIndex, firstFrame, fc.array(frame, { maxLength: 20 }), (epoch, first, frames) => {
        const payload = Buffer.concat(
          frames.flatMap((bytes) => {
            const length = Buffer.alloc(4);
            length.writeUInt32LE(bytes.length);
            return [length, bytes];
          }),
        );
        expect(payloadSize(frames)).toBe(payload.length);
        expect(gathered(epoch, first, frames).equals(encodeFrames(epoch, first, payload))).toBe(true);
        expect(splitFrames(payload, 300).map((bytes) => Buffer.from(bytes))).toEqual(frames.map((bytes) => Buffer.from(bytes)));
      }),
    );
  });

  it('make the bytes of version 1 of the protocol', () => {
    expect(gathered(2, 300, [Buffer.from('ab'), Buffer.from('c')]).toString('hex')).toBe('1a12080210ac021a0b02000000616201000000' + '63');
  });

  it('refuse numbers that the message cannot hold', () => {
    for (const [epoch, first] of [
      [-1, 0],
      [0, -1],
      [0.5, 0],
      [2 ** 32, 0],
      [0, 2 ** 53],
      [Number.NaN, 0],
    ] as const)
      expect(() => encodeFrames(epoch, first, new Uint8Array())).toThrow(/PROTOCOL_VIOLATION/);
  });
});

describe('splitFrames', () => {
  it.each<[string, string]>([
    ['ends within a length', '020000'],
    ['ends within a frame', '0300000061'],
    ['holds an empty frame', '00000000'],
    ['claims more than is allowed', 'ffffffff00'],
  ])('refuses a payload that %s', (_what, hex) => {
    expect(() => splitFrames(Buffer.from(hex, 'hex'), 1000)).toThrow(/PROTOCOL_VIOLATION/);
  });

  it('takes any bytes apart or refuses them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (payload) => {
        try {
          const frames = splitFrames(payload, 50);
          expect(payloadSize(frames)).toBe(payload.length);
        } catch (error) {
          expect(String(error)).toContain('PROTOCOL_VIOLATION');
        }
      }),
    );
  });

  it('gives views, not copies', () => {
    const payload = Buffer.from('0100000041', 'hex');
    const [only] = splitFrames(payload, 10);
    payload[4] = 0x42;
    expect(Buffer.from(only!).toString()).toBe('B');
  });
});
