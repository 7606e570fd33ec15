import { create } from '@bufbuild/protobuf';
import { ReplicateResponseSchema, type ReplicationCall } from '@holdfast/protocol';

/** Version of the protocol from which on agents know what they are told here. */
const SINCE = 3;

/** A stream whose agent is told where the configuration server is: what `follow` says, from Opened on until the end. */
export const withWhereabouts = (call: ReplicationCall, follow: (say: (content: Uint8Array) => void) => () => void): ReplicationCall => {
  const begin = (): void => {
    const forget = follow((content) => {
      // The end of the stream is told where it is read.
      call
        .send(create(ReplicateResponseSchema, { message: { case: 'whereabouts', value: { content: Uint8Array.from(content) } } }))
        .catch(() => undefined);
    });
    call.closed.addEventListener('abort', forget, { once: true });
    if (call.closed.aborted) forget();
  };
  const send: ReplicationCall['send'] = async (message) => {
    await call.send(message);
    const said = message.message;
    if (said.case === 'opened' && said.value.protocolVersion >= SINCE) begin();
  };
  return Object.create(call, { send: { value: send } }) as ReplicationCall;
};
