import { create } from '@bufbuild/protobuf';
import { type ReplicateResponse, ReplicateResponseSchema, type ReplicationStream } from '@holdfast/protocol';
import { hearWhereabouts } from './hear-whereabouts.ts';

const say = (message: NonNullable<Parameters<typeof create<typeof ReplicateResponseSchema>>[1]>['message']): ReplicateResponse =>
  create(ReplicateResponseSchema, { message: message! });

describe('hearing where the configuration server is', () => {
  it('goes past who replicates, wherever in the stream it comes, and leaves everything else alone', async () => {
    const sent: unknown[] = [];
    const closed = new AbortController().signal;
    const stream = {
      closed,
      send: async (message: unknown) => void sent.push(message),
      async *[Symbol.asyncIterator]() {
        yield say({ case: 'opened', value: { term: 4n } });
        yield say({ case: 'whereabouts', value: { content: Uint8Array.of(1) } });
        yield say({ case: 'credit', value: { bytes: 5n } });
        yield say({ case: 'whereabouts', value: { content: Uint8Array.of(2) } });
      },
    } as unknown as ReplicationStream;
    const heard: number[] = [];
    const heeding = hearWhereabouts(stream, ([first]) => heard.push(first!));
    const cases: (string | undefined)[] = [];
    for await (const { message } of heeding) cases.push(message.case);
    expect({ cases, heard }).toEqual({ cases: ['opened', 'credit'], heard: [1, 2] });
    await heeding.send('x' as never);
    expect(sent).toEqual(['x']);
    expect(heeding.closed).toBe(closed);
  });
});
