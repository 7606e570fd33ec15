import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { knownDigests } from '@holdfast/block';
import { DigestRefusal, idBytes, ReplicateRequestSchema, type ReplicateResponse, type ReplicationStream } from '@holdfast/protocol';
import fc from 'fast-check';
import { startScriptedAgent } from '../conformance/scripted-agent.ts';
import { type ScriptedCut, ScriptedSource } from '../conformance/scripted-source.ts';
import { createServerSite, type ServerSite } from '../conformance/server-site.ts';

const MIB = 1024 * 1024;
type Query = MessageInitShape<typeof ReplicateRequestSchema>['message'];

describe('queries for digests, as they come over the wire', () => {
  let directory: string;
  let site: ServerSite;
  let source: ScriptedSource;
  let made: ScriptedCut;
  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'digests-'));
    source = new ScriptedSource({ size: 2 * MIB });
    site = await createServerSite({ directory, settings: { 'upload.seal-interval': '20ms' } });
    site.assign([source.machineId]);
    await site.start();
    const certified = await site.certificate(source.machineId);
    const agent = startScriptedAgent({ machineId: source.machineId, connect: () => site.connect(certified) });
    await agent.until(() => agent.opened !== undefined);
    source.scribble(200);
    made = await source.cut();
    agent.add(made.content);
    await agent.until(() => agent.durable.size === 1);
    await agent.stop();
  });
  afterAll(async () => {
    await site.close();
    await rm(directory, { recursive: true, force: true });
  });

  /** An open stream; tells what comes. */
  const open = async (protocolVersion = 2) => {
    const stream: ReplicationStream = await site.connect(await site.certificate(source.machineId));
    const send = (message: Query) => stream.send(create(ReplicateRequestSchema, { message } as never));
    const messages = stream[Symbol.asyncIterator]();
    await send({ case: 'open', value: { machineId: idBytes(source.machineId), agentVersion: '1', protocolVersion } });
    const next = async (): Promise<ReplicateResponse['message']> => {
      for (;;) {
        const { value, done } = await messages.next();
        if (done === true) throw new Error('the stream ended');
        if (value.message.case !== 'credit') return value.message;
      }
    };
    const opened = await next();
    expect(opened).toMatchObject({ case: 'opened', value: { protocolVersion } });
    return { stream, send, next };
  };
  const query = (id: number, change: object = {}): Query => {
    const { generationId, number } = made.cut.epochs[0]!;
    const state = { generationId, number };
    return { case: 'digestQuery', value: { id, diskId: idBytes(source.diskId), state, offset: 0n, length: BigInt(2 * MIB), ...change } };
  };

  it('are answered, also in the middle of a cut', async () => {
    const { stream, send, next } = await open();
    await send({
      case: 'cutBegin',
      value: {
        cutId: idBytes('1'.repeat(32)),
        epochs: [{ diskId: idBytes(source.diskId), generationId: made.cut.epochs[0]!.generationId, number: 1n }],
      },
    });
    await send(query(7));
    const { value } = (await next()) as { value: { id: number; digests: Uint8Array; diskSize: bigint } };
    expect(value).toMatchObject({ id: 7, diskSize: BigInt(2 * MIB) });
    expect(Buffer.compare(value.digests, knownDigests(source.disk))).toBe(0);
    await send(query(8, { state: { generationId: made.cut.epochs[0]!.generationId, number: 9n } }));
    expect(await next()).toMatchObject({ case: 'digests', value: { id: 8, refusal: DigestRefusal.NOT_DURABLE } });
    stream.end();
  });

  it('end the stream where the version does not have them, where there are too many, and where they are impossible', async () => {
    const old = await open(1);
    await old.send(query(1));
    await expect(old.next()).rejects.toMatchObject({ code: 'PROTOCOL_VIOLATION' });
    const impossible = await open();
    await impossible.send(query(1, { offset: 5n }));
    await expect(impossible.next()).rejects.toMatchObject({ code: 'PROTOCOL_VIOLATION' });
  });

  it('are answered or refused whatever they hold, and the server goes on', async () => {
    const number = fc.oneof(
      fc.bigInt(0n, 2n ** 64n - 1n),
      fc.bigInt(0n, 600n).map((n) => n * 4096n),
    );
    const bytes = fc.oneof(fc.constant(idBytes(source.diskId)), fc.uint8Array({ maxLength: 40 }));
    await fc.assert(
      fc.asyncProperty(
        fc.record({ diskId: bytes, offset: number, length: number, coarse: fc.boolean(), orNewer: fc.boolean(), id: fc.nat() }),
        async (change) => {
          const { stream, send, next } = await open();
          await send(query(1, change));
          const answer = await next().catch((reason: unknown) => reason);
          if (answer instanceof Error) expect(answer).toMatchObject({ code: 'PROTOCOL_VIOLATION' });
          else expect(answer).toMatchObject({ case: 'digests', value: { id: change.id } });
          stream.abort(Object.assign(new Error('enough'), { code: 'INTERRUPTED' }) as never);
        },
      ),
      { numRuns: 12 },
    );
  });
});
