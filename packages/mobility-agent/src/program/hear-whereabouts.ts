import type { ReplicateResponse, ReplicationStream } from '@holdfast/protocol';

/**
 * A stream to a process server that passes on where the configuration server is: that is no matter of who replicates, and goes to `hear` instead.
 */
export const hearWhereabouts = (stream: ReplicationStream, hear: (content: Uint8Array) => void): ReplicationStream => {
  async function* others(): AsyncGenerator<ReplicateResponse> {
    for await (const response of stream)
      if (response.message.case === 'whereabouts') hear(response.message.value.content);
      else yield response;
  }
  return Object.create(stream, { [Symbol.asyncIterator]: { value: others } }) as ReplicationStream;
};
