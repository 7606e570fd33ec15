import { createHash, randomBytes } from 'node:crypto';
import { newId } from '@holdfast/protocol';
import type { Journal, OpenCut } from './journal.ts';
import { parseHeader, RECORD_HEADER_SIZE } from './record.ts';
import { RECORDS_AT } from './segment-header.ts';
import { beginOf, chunkOf, contentOf, cutOf, MACHINES, openTestJournal, SEGMENT } from './testing/journal-bench.ts';
import { createMemoryDirectory } from './testing/memory-directory.ts';

const [machineId, other] = MACHINES;

/** Until what was settled in this moment is told. */
const aMoment = () => new Promise(setImmediate);

describe('a journal that is opened', () => {
  it.each([0, 1000, SEGMENT >> 1])('uses no file of %d bytes that a kill left unfinished', async (size) => {
    const left = Array.from({ length: 4 }, (_, index) => [`segment-0000000${index + 1}`, Buffer.alloc(size)] as const);
    const directory = createMemoryDirectory(left);
    const journal = await openTestJournal(directory);
    const whole = journal.usage.room;
    const open = journal.begin(machineId, beginOf(newId()));
    await open.append(chunkOf(0, 0, [Buffer.alloc(1000)]));
    // No file of theirs was taken: what was used of the room is what was written, and the end of a file that is always left over.
    expect(whole - journal.usage.room).toBeLessThan(SEGMENT / 2);
    expect([...directory.files.values()].map(({ length }) => length)).not.toContain(size);
    await journal.close();
  });

  it.each(['killed', 'stopped'])(
    'holds a cut that goes on over any number of starts in the files it takes, when it is %s each time',
    async (how) => {
      let directory = createMemoryDirectory();
      const cutId = newId();
      let journal = await openTestJournal(directory);
      let open = journal.begin(machineId, beginOf(cutId));
      const hash = createHash('sha256');
      for (let start = 0; start < 40; start += 1) {
        const frame = randomBytes(1000);
        hash.update(`0:${frame.length}:`).update(frame);
        await open.append(chunkOf(0, start, [frame]));
        if (how === 'stopped') await journal.close();
        directory = directory.afterKill();
        journal = await openTestJournal(directory);
        open = journal.recovered.get(machineId)!.partial!;
        await open.resume();
      }
      // 40,000 bytes and what tells of them.
      expect(journal.usage.used).toBeLessThanOrEqual(2 * SEGMENT);
      const cut = await open.commit(cutOf(machineId, cutId, [40]));
      expect(await contentOf(cut)).toBe(hash.digest('hex'));
      await journal.close();
    },
  );

  it('takes nothing for true that stood behind a torn place, when what is written there reaches up to it', async () => {
    const directory = createMemoryDirectory();
    const before = await openTestJournal(directory);
    const [kept, torn, behind, next] = [newId(), newId(), newId(), newId()];
    const commit = (journal: Journal, cutId: string) => journal.commit(machineId, cutOf(machineId, cutId, [0]));
    await commit(before, kept);
    await Promise.all([commit(before, torn), commit(before, behind)]);
    // Both were on their way at the same time, and only the second came to the disk.
    const file = [...directory.files.values()].find((bytes) => bytes.includes(Buffer.from(torn, 'hex')))!;
    // Of its record, in which the id stands at byte 48.
    const at = (cutId: string) => file.indexOf(Buffer.from(cutId, 'hex')) - 48;
    file.fill(0, at(torn), at(behind));
    const names = (journal: Journal) => journal.recovered.get(machineId)!.cuts.map(({ cutId }) => cutId);
    const left = directory.afterKill();
    const journal = await openTestJournal(left);
    expect(names(journal)).toEqual([kept]);
    await commit(journal, next);
    await journal.close();
    expect(names(await openTestJournal(left.afterKill()))).toEqual([kept, next]);
  });

  it('seals nothing twice under one nonce, though a place is written again after the power failed', async () => {
    let directory = createMemoryDirectory();
    let journal = await openTestJournal(directory);
    await journal.commit(machineId, cutOf(machineId, newId(), [0]));
    /** By salt, place and turn: what was written there. */
    const seen = new Map<string, string>();
    const places = new Set<string>();
    let again = 0;
    for (let start = 0; start < 3; start += 1) {
      await journal.begin(machineId, beginOf(newId())).append(chunkOf(0, 0, [randomBytes(500)]));
      for (const operation of directory.operations) {
        if (operation.kind !== 'write' || operation.offset < RECORDS_AT) continue;
        const { bytes, offset } = operation;
        for (let at = 0; at + RECORD_HEADER_SIZE <= bytes.length; ) {
          const header = parseHeader(bytes.subarray(at), bytes.subarray(at + 8, at + 16));
          if (header === undefined) break;
          const record = bytes.toString('hex', at, at + RECORD_HEADER_SIZE + header.length);
          const place = `${bytes.toString('hex', at + 8, at + 16)} ${offset + at}`;
          const nonce = `${place} ${header.turn}`;
          expect(seen.get(nonce) ?? record).toBe(record);
          if (places.has(place) && !seen.has(nonce)) again += 1;
          seen.set(nonce, record);
          places.add(place);
          at += RECORD_HEADER_SIZE + header.length;
        }
      }
      // Nothing since the last sync reaches the disk.
      directory = directory.afterPowerFailure(() => 0);
      journal = await openTestJournal(directory);
    }
    expect(again).toBeGreaterThan(0);
  });

  it.each(['', ', over a restart'])(
    'offers a cut that was given up and came again, wherever what tells of the first time goes%s',
    async (how) => {
      const directory = createMemoryDirectory();
      const journal = await openTestJournal(directory);
      const [cutId, filler] = [newId(), [Buffer.alloc(2000)]];
      const begin = async (id: string): Promise<OpenCut> => {
        const open = journal.begin(other, beginOf(id));
        await open.append(chunkOf(0, 0, filler));
        return open;
      };
      /** Writes frames of the cut until they stand in the next segment. */
      const advance = async (open: OpenCut) => {
        const { used } = journal.usage;
        while (journal.usage.used === used) await open.append(chunkOf(0, open.progress[0]!.frames, filler));
      };
      // It stays, and with it the first records of the cut, which is given up in the next segment; that goes before the first.
      await journal.begin(machineId, beginOf(newId())).append(chunkOf(0, 0, filler));
      const first = await begin(cutId);
      const goes = await begin(newId());
      await advance(goes);
      first.drop();
      await aMoment();
      await advance(goes);
      await (await begin(cutId)).commit(cutOf(other, cutId, [1]));
      if (how === '') goes.drop();
      await journal.close();
      const left = directory.afterKill();
      // Of the two that began the older one is forgotten, and with it the segment that it was left in.
      if (how !== '') await (await openTestJournal(left)).close();
      const after = await openTestJournal(left.afterKill());
      expect(after.recovered.get(other)!.cuts.map((cut) => cut.cutId)).toEqual([cutId]);
    },
  );
});
