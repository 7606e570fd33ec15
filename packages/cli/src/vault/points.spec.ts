// A machine that works for a while, and then has its files encrypted; and one that writes an archive instead.
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { create } from '@bufbuild/protobuf';
import { CODEC, contentDigest, createFrame, FRAME_DATA_LIMIT, type FrameExtent, serializeFrame } from '@holdfast/block';
import type { ObjectStore } from '@holdfast/object-store';
import {
  CutSchema,
  EpochSchema,
  GenerationReason,
  GenerationSchema,
  idBytes,
  newId,
  Origin,
  PointKind,
  PointSchema,
} from '@holdfast/protocol';
import { createVault, openLogWriter, openVault, registerMachine } from '@holdfast/vault';
import { createTestWorld } from '../testing/run-command.ts';
import { SAMPLE_START } from '../testing/sample-vault.ts';

const MIB = 1024 * 1024;
/** Points after the first copy, five minutes apart; what follows is a minute apart. */
const CALM = 16;
const minuteOf = (number: number): number => (number <= CALM ? number * 5 : CALM * 5 + number - CALM);
const DISK = 256 * MIB;
const KEY = { kind: 'key-file', secret: Buffer.alloc(32, 7) } as const;

/** The same each time. */
const fillAtRandom = (data: Buffer, seed: number): void => {
  let state = seed;
  for (let word = 0; word + 4 <= data.length; word += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    data.writeInt32LE(state ^ (state >>> 16), word);
  }
};

/** Frames of data from an offset on: `text` compresses, `cipher` does not. */
const framesFor = async (from: number, length: number, kind: 'text' | 'cipher') => {
  const frames = [];
  for (let at = 0; at < length; at += FRAME_DATA_LIMIT) {
    const size = Math.min(FRAME_DATA_LIMIT, length - at);
    const extents: FrameExtent[] = [{ offset: from + at, length: size, kind: 'data' }];
    const data = Buffer.alloc(size, 'a line of a file, ');
    if (kind === 'cipher') fillAtRandom(data, at + 1);
    frames.push(await createFrame(extents, data, 'lz4'));
  }
  return frames;
};

const fill = async (
  store: ObjectStore,
  writes: readonly (readonly [offset: number, length: number, kind: 'text' | 'cipher'])[],
): Promise<string[]> => {
  const vault = await openVault(store, KEY);
  const machineId = newId();
  await registerMachine(vault, { id: machineId, name: 'files' });
  const writer = await openLogWriter(vault, machineId);
  const [diskId, generationId] = [idBytes(newId()), idBytes(newId())];
  const points: string[] = [];
  for (const [number, [offset, length, kind]] of writes.entries()) {
    const packed = await framesFor(offset, length, kind);
    const frames = packed.map((frame) => serializeFrame(frame));
    const cutId = idBytes(newId());
    points.push(newId());
    const instant = { unixNanos: BigInt(SAMPLE_START + minuteOf(number) * 60_000) * 1_000_000n };
    const epoch = create(EpochSchema, {
      diskId,
      generationId,
      number: BigInt(number),
      cutId,
      diskSize: BigInt(DISK),
      instant,
      frameCount: BigInt(frames.length),
      dataBytes: BigInt(length),
      storedBytes: BigInt(frames.reduce((sum, frame) => sum + frame.length, 0)),
      incompressibleBytes: BigInt(packed.reduce((sum, frame) => sum + (frame.codec === CODEC.raw ? frame.dataLength : 0), 0)),
      contentDigest: contentDigest(frames),
    });
    const generation = create(GenerationSchema, { id: generationId, diskId, reason: GenerationReason.FIRST_COPY, origin: Origin.SOURCE });
    const cut = create(CutSchema, {
      id: cutId,
      machineId: idBytes(machineId),
      generations: number === 0 ? [generation] : [],
      epochs: [epoch],
      point: create(PointSchema, {
        id: idBytes(points.at(-1)!),
        cutId,
        kind: PointKind.CRASH,
        instant,
        members: [{ diskId, epoch: { generationId, number: BigInt(number) } }],
      }),
    });
    await writer.append({
      cut,
      frames: async function* () {
        yield* frames;
      },
    });
  }
  await writer.close();
  vault.keys.clear();
  return points;
};

describe('vault points, of a machine whose disk is suddenly written to as never before', () => {
  let directory: string;
  const world = createTestWorld();
  /** A first copy of 200 MiB of files, and small changes to them, every five minutes. */
  const calm = [[0, 60 * MIB, 'text'], ...Array.from({ length: CALM }, (_, at) => [(at % 50) * MIB, 64 * 1024, 'text'])] as [
    number,
    number,
    'text',
  ][];

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'holdfast-points-'));
    const check = createHash('sha256').update(KEY.secret).digest('hex').slice(0, 8);
    await writeFile(path.join(directory, 'key'), `holdfast-key-1:${'07'.repeat(32)}:${check}\n`);
  });
  afterAll(() => rm(directory, { recursive: true }));

  const run = async (url: string, ...more: string[]) =>
    world.run(['vault', 'points', '--vault', url, '--key-file', path.join(directory, 'key'), ...more]);
  const made = async (url: string, more: Parameters<typeof fill>[1]): Promise<string[]> => {
    await createVault(world.store(url), { name: 'office', keys: [KEY] });
    return fill(world.store(url), [...calm, ...more]);
  };

  it('names the time, the last point before it, and that files were written over; the status is 1', async () => {
    const points = await made(
      'memory:encrypted',
      Array.from({ length: 4 }, (_, at) => [at * 10 * MIB, 10 * MIB, 'cipher'] as const),
    );
    const { status, stdout } = await run('memory:encrypted', '--output', 'json');
    const [{ unusualWriting, points: told }] = JSON.parse(stdout);
    expect({ status, unusualWriting }).toMatchObject({
      status: 1,
      unusualWriting: [{ pointBefore: points[CALM], suspicious: true, overwrittenShare: 1, incompressibleBytes: expect.any(Number) }],
    });
    expect(told.slice(0, 5).map(({ unusual }: { unusual: boolean }) => unusual)).toEqual([true, true, true, true, false]);
    // Nothing is forgotten now: what was before it may be needed.
    const keep = async (url: string) =>
      JSON.parse(
        (await world.run(['vault', 'keep', '--vault', url, '--key-file', path.join(directory, 'key'), '--retention', '24h', '-o', 'json']))
          .stdout,
      );
    expect((await keep('memory:encrypted')).machines[0].suspended).toContain('files may have been encrypted');
    const people = (await run('memory:encrypted')).stdout;
    expect(people).toContain('SUSPICIOUS writing from 2026-11-22T02:21:00.000Z');
    expect(people).toContain(`Last point before it: ${points[CALM]} of `);
  });

  it('tells of an archive in free room, and does not call it suspicious', async () => {
    await made(
      'memory:archive',
      Array.from({ length: 4 }, (_, at) => [(80 + at * 10) * MIB, 10 * MIB, 'cipher'] as const),
    );
    const { status, stdout } = await run('memory:archive', '--output', 'json');
    const keep = await world.run([
      'vault',
      'keep',
      '--vault',
      'memory:archive',
      '--key-file',
      path.join(directory, 'key'),
      '--retention',
      '24h',
      '-o',
      'json',
    ]);
    expect(JSON.parse(keep.stdout).machines[0].suspended).toBeUndefined();
    expect({ status, found: JSON.parse(stdout)[0].unusualWriting }).toMatchObject({
      status: 0,
      found: [{ suspicious: false, overwrittenShare: 0 }],
    });
  });

  it('says nothing of programs that are upgraded', async () => {
    await made(
      'memory:upgrade',
      Array.from({ length: 4 }, (_, at) => [at * 10 * MIB, 10 * MIB, 'text'] as const),
    );
    const { status, stdout } = await run('memory:upgrade', '--output', 'json');
    expect({ status, found: JSON.parse(stdout)[0].unusualWriting }).toEqual({ status: 0, found: [] });
  });
});
