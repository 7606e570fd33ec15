import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { ReplicateRequestSchema, ReplicateResponseSchema } from '../gen/holdfast/v1/replication_pb.ts';
import { clientCodec, LARGEST_MESSAGE, requireSize, serverCodec } from './codec.ts';
import { encodeFrames } from './frames-payload.ts';

describe('the codecs of both sides', () => {
  it('understand each other', () => {
    const request = create(ReplicateRequestSchema, { message: { case: 'open', value: { agentVersion: '1.2.3', protocolVersion: 1 } } });
    expect(serverCodec.decode(clientCodec.encode(request))).toEqual(request);
    const response = create(ReplicateResponseSchema, { message: { case: 'pace', value: { bytesPerSecond: 5n, reason: 'slow' } } });
    expect(clientCodec.decode(serverCodec.encode(response))).toEqual(response);
  });

  it('give the payload of frames as a view of the message', () => {
    const payload = Buffer.from('payload');
    const bytes = clientCodec.encode(create(ReplicateRequestSchema, { message: { case: 'frames', value: { payload } } }));
    const { message } = serverCodec.decode(bytes);
    if (message.case !== 'frames') throw new Error('frames were sent');
    expect(message.value.payload.buffer).toBe(bytes.buffer);
    expect(Buffer.from(message.value.payload).toString()).toBe('payload');
  });

  it.each<[string, Buffer]>([
    ['of a later version', Buffer.from('9a0600', 'hex')],
    ['without anything in it', Buffer.alloc(0)],
    ['that ends too early', Buffer.from('1aff', 'hex')],
  ])('refuse a message %s', (_what, bytes) => {
    for (const codec of [clientCodec, serverCodec]) expect(() => codec.decode(bytes)).toThrow(/PROTOCOL_VIOLATION/);
  });

  it('read any bytes or refuse them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const codec of [clientCodec, serverCodec]) {
          try {
            expect(codec.decode(Buffer.from(bytes)).message.case).toBeDefined();
          } catch (error) {
            expect(String(error)).toContain('PROTOCOL_VIOLATION');
          }
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('take a message of exactly the limit and refuse a larger one', () => {
    const head = encodeFrames(0, 0, Buffer.alloc(LARGEST_MESSAGE)).length - LARGEST_MESSAGE;
    const fits = encodeFrames(0, 0, Buffer.alloc(LARGEST_MESSAGE - head));
    expect(fits).toHaveLength(LARGEST_MESSAGE);
    expect(serverCodec.decode(fits).message.case).toBe('frames');
    const tooLarge = encodeFrames(0, 0, Buffer.alloc(LARGEST_MESSAGE - head + 1));
    expect(() => serverCodec.decode(tooLarge)).toThrow(/PROTOCOL_VIOLATION.*more than 4194304/);
    expect(() => requireSize(tooLarge)).toThrow(/PROTOCOL_VIOLATION/);
  });
});
