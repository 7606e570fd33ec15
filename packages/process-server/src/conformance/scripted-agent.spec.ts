import { create } from '@bufbuild/protobuf';
import { idBytes, OpenedSchema, type ReplicateResponse, ReplicateResponseSchema, type ReplicationStream } from '@holdfast/protocol';
import { type ScriptedAgent, startScriptedAgent } from './scripted-agent.ts';
import { ScriptedSource } from './scripted-source.ts';

/** A stream that opens with these cuts durable, and says nothing more until it is ended. */
const openedWith = (...durableCutIds: string[]): ReplicationStream => {
  const closed = new AbortController();
  async function* messages(): AsyncGenerator<ReplicateResponse> {
    const value = create(OpenedSchema, { term: 1n, protocolVersion: 4, durableCutIds: durableCutIds.map(idBytes) });
    yield create(ReplicateResponseSchema, { message: { case: 'opened', value } });
    await new Promise((resolve) => closed.signal.addEventListener('abort', resolve));
  }
  return {
    closed: closed.signal,
    send: async () => undefined,
    sendFrames: async () => undefined,
    abort: () => closed.abort(),
    [Symbol.asyncIterator]: messages,
  } as unknown as ReplicationStream;
};

describe('an agent without a disk', () => {
  let agent: ScriptedAgent | undefined;
  afterEach(() => agent?.stop());

  it('knows of a cut as durable whose server was killed before it could say so: the next stream opens with it', async () => {
    const { cutId, content } = await new ScriptedSource({ size: 4096 }).cut();
    const opening = Promise.withResolvers<ReplicationStream>();
    agent = startScriptedAgent({ machineId: '0'.repeat(32), connect: () => opening.promise });
    agent.add(content);
    opening.resolve(openedWith(cutId));
    await agent.until(() => agent!.held.size === 0);
    expect([...agent.durable]).toEqual([cutId]);
    expect(agent.anchor).toBeUndefined();
  });
});
