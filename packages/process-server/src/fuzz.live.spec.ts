import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { idBytes, newId, ReplicateRequestSchema } from '@holdfast/protocol';
import { startScriptedAgent } from './conformance/scripted-agent.ts';
import { type ScriptedCut, ScriptedSource } from './conformance/scripted-source.ts';
import { createServerSite, type ServerSite } from './conformance/server-site.ts';
import { verifyCuts } from './conformance/verify-cuts.ts';

const MIB = 1024 * 1024;
/** A cut of all of it needs no more credit than every stream has. */
const SMALL = 6 * 4096;
const STREAMS = 60;
const SEED = 7;
/** Of the protocol: from 3 on cuts without frames are one message. */
const VERSIONS = [2, 3, 4];

type Request = NonNullable<MessageInitShape<typeof ReplicateRequestSchema>['message']>;
type Random = (below: number) => number;

const seeded = (seed: number): Random => {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
};

/** A frame as it travels: behind its length. */
const prefixed = (frame: Uint8Array): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(frame.length);
  return Buffer.concat([length, frame]);
};

/** What an agent says that sends one cut. */
const conversation = async (machineId: string, { content }: ScriptedCut, protocolVersion: number): Promise<Request[]> => {
  const { cut } = content;
  const frames: Uint8Array[] = [];
  for await (const frame of content.frames(0)) frames.push(frame);
  const epochs = cut.epochs.map(({ diskId, generationId, number }) => ({ diskId, generationId, number }));
  return [
    {
      case: 'open',
      value: { machineId: idBytes(machineId), agentVersion: 'fuzz', protocolVersion, seenTerm: 0n, heldCutIds: [cut.id] },
    },
    { case: 'cutBegin', value: { cutId: cut.id, epochs } },
    ...frames.map(
      (frame, index): Request => ({ case: 'frames', value: { epochIndex: 0, firstFrame: BigInt(index), payload: prefixed(frame) } }),
    ),
    { case: 'cutEnd', value: { cut } },
    {
      case: 'digestQuery',
      value: {
        id: 1,
        diskId: cut.epochs[0]!.diskId,
        state: { generationId: cut.epochs[0]!.generationId, number: 0n },
        offset: 0n,
        length: BigInt(SMALL),
      },
    },
  ];
};

/** Numbers that somebody forgets to think of. */
const EDGES = [0n, 1n, 2n, 255n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 64n - 1n];

/** Changes one thing, anywhere in a message. */
const spoil = (value: unknown, random: Random): unknown => {
  if (typeof value === 'bigint') return EDGES[random(EDGES.length)]!;
  if (typeof value === 'number') return Number(EDGES[random(6)]);
  if (typeof value === 'boolean') return !value;
  if (typeof value === 'string') return ['', 'x'.repeat(5000), '\u0000', '../..'][random(4)];
  if (value instanceof Uint8Array) {
    const bytes = Buffer.from(value);
    if (random(3) === 0) return bytes.subarray(0, random(bytes.length + 1));
    if (bytes.length > 0) bytes[random(bytes.length)]! ^= 1 << random(8);
    return bytes;
  }
  if (Array.isArray(value)) {
    if (value.length === 0 || random(4) === 0) return random(2) === 0 ? [] : [...value, ...value];
    const at = random(value.length);
    return value.map((one, index) => (index === at ? spoil(one, random) : one));
  }
  if (typeof value === 'object' && value !== null) {
    const names = Object.keys(value).filter((name) => !name.startsWith('$') && name !== 'case');
    const name = names[random(names.length)];
    if (name === undefined) return value;
    const fields = value as Readonly<Record<string, unknown>>;
    return { ...fields, [name]: random(12) === 0 ? undefined : spoil(fields[name], random) };
  }
  return value;
};

/** Leaves out, repeats, swaps, or spoils, once or a few times. */
const mutate = (said: readonly Request[], random: Random): Request[] => {
  const result = [...said];
  for (let left = 1 + random(3); left > 0 && result.length > 0; left -= 1) {
    const at = random(result.length);
    const kind = random(8);
    if (kind === 0) result.splice(at, 1);
    else if (kind === 1) result.splice(at, 0, result[random(result.length)]!);
    else if (kind === 2) result.push(...result.splice(at, 1));
    else result[at] = spoil(result[at], random) as Request;
  }
  return result;
};

let directory: string;
let site: ServerSite;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'process-server-fuzz-'));
});

afterEach(async () => {
  await site.close();
  await rm(directory, { recursive: true, force: true });
});

it('is not shaken by agents that say anything: each is refused by name, others do not notice, and nothing wrong is kept', async () => {
  const random = seeded(SEED);
  const honest = new ScriptedSource({ size: 4 * MIB });
  const spoiled = Array.from({ length: 4 }, () => new ScriptedSource({ machineId: newId(), size: SMALL, codec: 'raw' }));
  site = await createServerSite({ directory, settings: { 'upload.seal-interval': '20ms' } });
  site.assign([honest.machineId, ...spoiled.map(({ machineId }) => machineId)]);
  await site.start();
  while (site.lines.filter(({ message }) => message === 'A machine is assigned').length < 5) await sleep(20);

  const certified = await site.certificate(honest.machineId);
  const agent = startScriptedAgent({ machineId: honest.machineId, connect: () => site.connect(certified) });
  const cuts: ScriptedCut[] = [];
  const certificates = await Promise.all(spoiled.map(({ machineId }) => site.certificate(machineId)));
  try {
    for (let count = 0; count < STREAMS; count += spoiled.length) {
      honest.scribble(20);
      const cut = await honest.cut();
      cuts.push(cut);
      agent.add(cut.content);
      await Promise.all(
        spoiled.map(async (source, index) => {
          source.startGeneration();
          source.scribble(10);
          const said = mutate(await conversation(source.machineId, await source.cut(), VERSIONS[index % VERSIONS.length]!), random);
          const stream = await site.connect(certificates[index]!);
          const ended = (async () => {
            for await (const _ of stream);
          })().catch(() => undefined);
          for (const message of said) {
            let request: ReturnType<typeof create<typeof ReplicateRequestSchema>>;
            try {
              request = create(ReplicateRequestSchema, { message });
            } catch {
              // Not even a message.
              continue;
            }
            await stream.send(request).catch(() => undefined);
          }
          // What is well is answered and goes on; the others were ended by the server.
          await Promise.race([ended, sleep(50)]);
          stream.abort(new Error('enough') as never);
          await ended;
        }),
      );
    }
    await agent.until(() => agent.held.size === 0);
    expect(agent.errors).toEqual([]);
  } finally {
    await agent.stop();
  }
  const words = site.lines.map((line) => JSON.stringify(line));
  expect(words.filter((line) => line.includes('INTERNAL') || line.includes('TypeError') || line.includes('RangeError'))).toEqual([]);
  expect(words.filter((line) => line.includes('PROTOCOL_VIOLATION')).length).toBeGreaterThan(STREAMS / 10);
  const vault = await site.openVault();
  try {
    expect(await verifyCuts(vault, honest.machineId, honest.diskId, cuts)).toBeUndefined();
  } finally {
    await vault.close();
  }
  // And whoever said anything may begin anew and be served.
  const [again] = spoiled;
  again!.startGeneration();
  again!.scribble(50);
  const whole = await again!.cut();
  const returned = startScriptedAgent({ machineId: again!.machineId, connect: () => site.connect(certificates[0]!) });
  try {
    returned.add(whole.content);
    await returned.until(() => returned.held.size === 0);
  } finally {
    await returned.stop();
  }
}, 240_000);
