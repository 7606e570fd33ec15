import { randomBytes } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { contentDigest, createFrame, serializeFrame } from '@holdfast/block';
import { type CutBegin, CutEndSchema, CutSchema, FramesSchema, idBytes, newId } from '@holdfast/protocol';
import fc from 'fast-check';
import type { Journal, JournaledCut } from '../journal/journal.ts';
import { beginOf, MACHINES, openTestJournal } from '../journal/testing/journal-bench.ts';
import { createMemoryDirectory } from '../journal/testing/memory-directory.ts';
import { type CutIntake, createCutIntake } from './cut-intake.ts';

const [machineId] = MACHINES;
const BLOCK = 4096;

const frameOf = async (block: number): Promise<Buffer> =>
  serializeFrame(await createFrame([{ offset: block * BLOCK, length: BLOCK, kind: 'data' }], randomBytes(BLOCK)));

const messageOf = (firstFrame: number, frames: readonly Buffer[]) =>
  create(FramesSchema, {
    epochIndex: 0,
    firstFrame: BigInt(firstFrame),
    payload: Uint8Array.from(
      Buffer.concat(
        frames.flatMap((frame) => {
          const length = Buffer.alloc(4);
          length.writeUInt32LE(frame.length);
          return [length, frame];
        }),
      ),
    ),
  });

const endOf = (begin: CutBegin, frames: readonly Buffer[]) =>
  create(CutEndSchema, {
    cut: create(CutSchema, {
      id: begin.cutId,
      machineId: idBytes(machineId),
      epochs: begin.epochs.map(({ diskId, generationId, number }) => ({
        diskId,
        generationId,
        number,
        diskSize: BigInt(64 * BLOCK),
        frameCount: BigInt(frames.length),
        dataBytes: BigInt(frames.length * BLOCK),
        contentDigest: contentDigest(frames),
      })),
    }),
  });

const intakeOf = (journal: Journal, partial = journal.recovered.get(machineId)?.partial): CutIntake =>
  createCutIntake({
    machineId,
    begin: (begin) => journal.begin(machineId, begin),
    commit: (cut) => journal.commit(machineId, cut),
    capacity: () => journal.usage.capacity,
    accepted: { of: (diskId) => ({ generationId: diskId, number: 0 }), isInLog: () => false },
    onTaken: () => undefined,
    isKnown: () => false,
    partial,
  });

/** A cut of one epoch that fits, and its frames. */
const source = async () => {
  const begin = beginOf(newId());
  begin.epochs[0]!.number = 0n;
  return { begin, frames: await Promise.all([0, 1, 2, 3].map(frameOf)) };
};

const isCut = (result: Awaited<ReturnType<CutIntake['end']>>): result is JournaledCut => result !== undefined && 'cut' in result;

describe('taking in a cut', () => {
  it('makes sure that the frames are those the agent committed', async () => {
    const journal = await openTestJournal(createMemoryDirectory());
    const { begin, frames } = await source();
    const intake = intakeOf(journal);
    intake.begin(begin);
    await intake.frames(messageOf(0, frames));
    const whole = await intake.end(endOf(begin, frames));
    expect(isCut(whole) && whole.verified).toBe(true);
    await journal.close();
  });

  it('refuses frames that are not those the agent committed, and begins anew', async () => {
    const journal = await openTestJournal(createMemoryDirectory());
    const { begin, frames } = await source();
    const changed = frames.with(2, await frameOf(2));
    const intake = intakeOf(journal);
    intake.begin(begin);
    await intake.frames(messageOf(0, changed));
    await expect(intake.end(endOf(begin, frames))).rejects.toMatchObject({ code: 'DAMAGED' });
    expect(intake.open).toBeUndefined();
    // The whole of it again is taken.
    intake.begin(begin);
    await intake.frames(messageOf(0, frames));
    expect(isCut(await intake.end(endOf(begin, frames)))).toBe(true);
    await journal.close();
  });

  it('refuses a change of any byte, of heads and payloads, frames that are left out, and such as come twice', async () => {
    const journal = await openTestJournal(createMemoryDirectory());
    const { frames } = await source();
    const arrives = async (sent: readonly Buffer[]): Promise<boolean> => {
      const begin = { ...beginOf(newId()) };
      begin.epochs[0]!.number = 0n;
      const intake = intakeOf(journal, undefined);
      intake.begin(begin);
      try {
        await intake.frames(messageOf(0, sent));
        const end = endOf(begin, frames);
        // Whatever else tells frames apart says nothing here.
        Object.assign(end.cut!.epochs[0]!, { frameCount: BigInt(sent.length), dataBytes: BigInt(sent.length * BLOCK) });
        const whole = await intake.end(end);
        if (isCut(whole)) whole.release();
        return isCut(whole);
      } catch (reason) {
        expect(reason).toMatchObject({ code: 'DAMAGED' });
        intake.open?.drop();
        return false;
      }
    };
    expect(await arrives(frames)).toBe(true);
    for (const sent of [frames.slice(0, 3), [...frames, frames[3]!], frames.toReversed()]) expect(await arrives(sent)).toBe(false);
    await fc.assert(
      fc.asyncProperty(fc.nat(3), fc.nat(), fc.integer({ min: 1, max: 255 }), async (which, at, change) => {
        const changed = Buffer.from(frames[which]!);
        changed[at % changed.length]! ^= change;
        expect(await arrives(frames.with(which, changed))).toBe(false);
      }),
      { numRuns: 100 },
    );
    await journal.close();
  });

  it.each([
    ['takes what came before a restart for what it is', (frames: readonly Buffer[]) => frames, true],
    [
      'finds what was wrong before a restart',
      ([first, ...rest]: readonly Buffer[]) => [first!, Buffer.from(first!), ...rest.slice(1)],
      false,
    ],
  ])('%s', async (_, sentBefore, good) => {
    const directory = createMemoryDirectory();
    const before = await openTestJournal(directory);
    const { begin, frames } = await source();
    const first = intakeOf(before);
    first.begin(begin);
    await first.frames(messageOf(0, sentBefore(frames).slice(0, 3)));
    await before.close();

    const journal = await openTestJournal(directory.afterKill());
    const { partial } = journal.recovered.get(machineId)!;
    await partial!.resume();
    const intake = intakeOf(journal);
    expect(intake.begin(begin)).toEqual([]);
    await intake.frames(messageOf(3, frames.slice(3)));
    const ending = intake.end(endOf(begin, frames));
    if (good) expect(isCut(await ending)).toBe(true);
    else await expect(ending).rejects.toMatchObject({ code: 'DAMAGED' });
    await journal.close();
  });

  it('refuses by name a cut that the whole journal could not hold, before it begins', async () => {
    const journal = await openTestJournal(createMemoryDirectory());
    const { begin, frames } = await source();
    const intake = intakeOf(journal);
    const { capacity, quota } = journal.usage;
    expect(capacity).toBeGreaterThan(quota / 2);
    expect(() => intake.begin({ ...begin, bytes: BigInt(capacity + 1) })).toThrow('JOURNAL_TOO_SMALL');
    expect(intake.open).toBeUndefined();
    intake.begin({ ...begin, bytes: BigInt(capacity) });
    await intake.frames(messageOf(0, frames));
    expect(isCut(await intake.end(endOf(begin, frames)))).toBe(true);
    await journal.close();
  });
});
