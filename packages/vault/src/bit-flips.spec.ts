import { createDecipheriv, type KeyObject } from 'node:crypto';
import { digestBlock } from '@holdfast/block';
import { HoldfastError } from '@holdfast/errors';
import type { ObjectStore } from '@holdfast/object-store';
import { idText, newId } from '@holdfast/protocol';
import { deriveObjectKey } from './box.ts';
import { checkMachine } from './check-machine.ts';
import { compactMachine } from './compact-machine.ts';
import type { MachineHistory } from './history.ts';
import { holdMachine, listHolds } from './hold.ts';
import { checkKeys } from './keys/check-keys.ts';
import { addHolder } from './keys/holders.ts';
import { rekeyVault } from './keys/rekey.ts';
import type { VaultKey } from './keys/vault-key.ts';
import { HEADER_SIZE, readHeader } from './object-header.ts';
import { catalogueVersionOf, slotName } from './object-names.ts';
import { lastProven, recordProof } from './proof.ts';
import { readMachine } from './read-machine.ts';
import { scrubMachine } from './scrub-machine.ts';
import { NEVER_SCRUBBED, readScrubRecord } from './scrub-record.ts';
import type { SegmentSource } from './segment-source.ts';
import { recordFailover, recordRelease } from './takeover.ts';
import { compareAll } from './testing/compare.ts';
import { fastClock, settled } from './testing/fast-clock.ts';
import { TEST_KEY } from './testing/open-test-vault.ts';
import { withPatched } from './testing/patched-store.ts';
import { TestRemoteKey } from './testing/remote-key.ts';
import type { MadeCut } from './testing/simulated-source.ts';
import { WriterBench } from './testing/writer-bench.ts';
import { openVault } from './vault.ts';

const REMOTE = new TestRemoteKey('https://acme.vault.azure.net/keys/holdfast');

describe('one flipped bit', () => {
  let bench: WriterBench;
  const cuts: MadeCut[] = [];
  /** As long as everything was in the log. */
  let inLog: MachineHistory;
  beforeAll(async () => {
    bench = await WriterBench.create([40_000, 16_384]);
    const { writer } = await bench.open({ segmentSize: 6000, checkpoint: { slots: 5 } });
    const [first, second] = bench.source.disks;
    for (const [round, codec] of (['raw', 'lz4', 'zstd'] as const).entries()) {
      bench.source.write(first!, round, 3, round + 1);
      bench.source.write(second!, round % 4, 1, round + 65);
      bench.source.change(first!, { offset: 20_480, length: 4096, kind: round === 1 ? 'unreadable' : 'zero' });
      cuts.push(await bench.source.cut({ packing: { extentsPerFrame: 2, codec } }));
      await writer.append(cuts.at(-1)!.content);
    }
    await settled();
    inLog = await bench.read();
    // The first cut lies in a run, the others in the log.
    await compactMachine(bench.vault, bench.source.machineId, { minCuts: 1, unitFrames: 1, clock: fastClock, steps: 1 });
    const operationId = newId();
    await recordFailover(bench.vault, bench.source.machineId, { operationId, pointId: cuts[0]!.pointId! });
    await recordRelease(bench.vault, bench.source.machineId, { operationId });
    // Slots of every kind, holders under the first root key and under another, data keys of both.
    const remote: VaultKey = { kind: 'key-vault', key: REMOTE };
    await addHolder(bench.vault, remote);
    await rekeyVault(bench.vault, [{ key: TEST_KEY }, { key: remote, label: 'servers' }]);
    await bench.expectWhole(cuts);
  });
  afterAll(() => bench.close());

  /** Names of the objects that reading everything complains about. Throws when a wrong byte is served. */
  const complaints = async (name: string, content: Uint8Array): Promise<Set<string>> => {
    const named = new Set<string>();
    const note = (reason: unknown): void => {
      if (!(reason instanceof HoldfastError)) throw reason;
      // The damaged slot may be the right one.
      if (reason.code === 'VAULT_KEY_WRONG' && reason.cause !== undefined) note(reason.cause);
      // Which root key is in force stands in the plain: holders that tell too high a number are believed, and named.
      else if (reason.code === 'VAULT_KEY_WRONG') named.add(/\((holders\/\d+)\)/.exec(reason.why)![1]!);
      else noteDamage(reason);
    };
    const noteDamage = (reason: HoldfastError): void => {
      expect(['DAMAGED', 'VAULT_VERSION_UNSUPPORTED']).toContain(reason.code);
      named.add(reason.thing.split(', ')[0]!);
      if (reason.why.includes('`vault`')) named.add('vault');
    };
    try {
      const vault = await openVault(await withPatched(bench.store, name, content), TEST_KEY);
      for (const { object } of await checkKeys(vault)) named.add(object);
      for (const { damage } of await vault.machines()) if (damage !== undefined) named.add(damage.object);
      const history = await readMachine(vault, bench.source.machineId);
      for (const { object } of [...history.damage, ...(await checkMachine(history)).findings]) named.add(object);
      const wrong = await compareAll(history, cuts).catch(note);
      expect(wrong).toBeUndefined();
    } catch (reason) {
      note(reason);
    }
    return named;
  };

  it('in any field of any object is found and named, and never served', async () => {
    const names: string[] = [];
    // Of the catalogue what holds, not what was replaced.
    const { catalogue } = await bench.read();
    const { tombstones, firstSlot } = catalogue!.catalogue;
    const replaced = tombstones.filter(({ id }) => id.length > 0).map(({ id }) => idText(id));
    const isReleased = (name: string): boolean =>
      (catalogueVersionOf(name) ?? catalogue!.version) !== catalogue!.version ||
      replaced.some((id) => name.endsWith(id)) ||
      (name.includes('/log/') && name < slotName(bench.source.machineId, Number(firstSlot)));
    for await (const { name } of bench.store.list('')) if (!isReleased(name)) names.push(name);
    expect(names.length).toBeGreaterThan(14);
    expect(names.filter((name) => /catalogue|history|runs|parts/.test(name)).length).toBeGreaterThan(5);
    expect(Number(catalogue!.catalogue.covered)).toBeLessThan(bench.source.disks.length + (await bench.objects('log/')).length);
    let flips = 0;
    for (const name of names) {
      const content = Buffer.from(await bench.store.read(name));
      for (const at of positionsOf(name, content)) {
        const flipped = Buffer.from(content);
        flipped[at]! ^= 1 << (at % 8);
        flips += 1;
        if (!(await complaints(name, flipped)).has(name)) throw new Error(`byte ${at} of ${name} was flipped and nobody noticed`);
      }
      for (const other of [content.subarray(0, -1), content.subarray(0, 100), Buffer.alloc(0), Buffer.concat([content, Buffer.alloc(1)])])
        if (!(await complaints(name, other)).has(name)) throw new Error(`${name} with ${other.length} bytes was taken for whole`);
    }
    expect(flips).toBeGreaterThan(500);
  }, 300_000);

  it('in what is only noted beside the data never tells anything else: a hold is named, a proof or a record of scrubbing is as if it were not there', async () => {
    const { source, vault } = bench;
    const noted = new TextEncoder().encode('{"passed":true}');
    const proof = { pointId: cuts[0]!.pointId!, time: 7, passed: true, report: noted, signature: noted, publicKey: noted };
    await recordProof(vault, source.machineId, { ...proof, console: noted, screenshot: noted });
    await scrubMachine(vault, source.machineId, { clock: fastClock });
    await holdMachine(vault, source.machineId, { points: [cuts[0]!.pointId!], reason: 'test', clock: fastClock });
    const scrubbed = (await readScrubRecord(vault, source.machineId)).progress;
    expect(scrubbed.round).toBe(1);
    const told = async (store: ObjectStore): Promise<unknown[]> => {
      const other = { ...vault, store };
      return [
        await listHolds(other, source.machineId).catch((reason: HoldfastError) => {
          if (reason.code !== 'DAMAGED') throw reason;
          return `DAMAGED ${reason.thing.split(', ')[0]}`;
        }),
        await lastProven(other, source.machineId),
        (await readScrubRecord(other, source.machineId)).progress,
      ];
    };
    const whole = await told(bench.store);
    let flips = 0;
    for (const [place, folder] of ['holds/', 'proofs/', 'scrubs/'].entries()) {
      const [object] = await bench.objects(folder);
      const { name } = object!;
      const content = Buffer.from(await bench.store.read(name));
      const without = [`DAMAGED ${name}`, undefined, NEVER_SCRUBBED][place];
      for (const at of positionsOf(name, content)) {
        const flipped = Buffer.from(content);
        flipped[at]! ^= 1 << (at % 8);
        const found = await told(await withPatched(bench.store, name, flipped)).catch((reason: HoldfastError) => reason.code);
        // What seems to be of the future may hold anything.
        if (found !== 'VAULT_VERSION_UNSUPPORTED' || folder !== 'holds/') expect(found).toEqual(whole.with(place, without));
        flips += 1;
      }
    }
    expect(flips).toBeGreaterThan(90);
  });

  it('is not mistaken: nothing is found where nothing was flipped', async () => {
    for await (const { name } of bench.store.list('')) expect(await complaints(name, await bench.store.read(name))).toEqual(new Set());
  });

  it('an object in the place of another is found too', async () => {
    const { firstSlot } = (await bench.read()).catalogue!.catalogue;
    const slots = (await bench.objects('log/')).slice(Number(firstSlot) - 1);
    const other = Buffer.from(await bench.store.read(slots[1]!.name));
    expect(await complaints(slots[2]!.name, other)).toContain(slots[2]!.name);
    // With the number of its new place written into it.
    const renumbered = Buffer.from(other);
    renumbered.writeBigUInt64LE(firstSlot + 1n, 48);
    expect(await complaints(slots[2]!.name, renumbered)).toContain(slots[2]!.name);
  });

  describe('in a frame', () => {
    /** The history of the vault with one bit of the data of a raw frame flipped, and readers that leave checks out. */
    const flippedHistory = async (repair: (serialized: Buffer) => void): Promise<MachineHistory> => {
      const history = inLog;
      const segments: SegmentSource = {
        segment: async (sequence) => {
          const segment = await history.segments.segment(sequence);
          return {
            ...segment,
            readSealed: async (first, count) => {
              const sealed = (await segment.readSealed(first, count)).map((bytes) => Buffer.from(bytes));
              if (sequence === 1 && first === 0) sealed[0]![sealed[0]!.length - 100]! ^= 1;
              return sealed;
            },
            openFrame: (number, sealed) => {
              const serialized = decryptUnchecked(objectKeys.get(segment.name)!, number, sealed);
              repair(serialized);
              return serialized;
            },
          };
        },
      };
      return { ...history, segments };
    };
    const objectKeys = new Map<string, KeyObject>();
    beforeAll(async () => {
      for (const { name } of await bench.objects('log/')) {
        const header = readHeader(Buffer.from(await bench.store.read(name)), name);
        objectKeys.set(name, deriveObjectKey(await bench.vault.keys.keyOf(header.machineId, header.keyEpoch), header));
      }
    });

    it('is found by the digest of its block when the authentication is left out', async () => {
      const history = await flippedHistory(() => {});
      await expect(compareAll(history, cuts)).rejects.toMatchObject({ code: 'DAMAGED', why: expect.stringContaining('fails its digest') });
    });

    it('would be served if the digests were made to fit as well', async () => {
      const history = await flippedHistory((serialized) => {
        // Two extents of raw data: recompute every digest of the frame from its data.
        const extents = serialized.readUInt16LE(2);
        const payload = serialized.subarray(serialized.length - serialized.readUInt32LE(8));
        const digests = serialized.subarray(16 + extents * 16, serialized.length - payload.length);
        if (serialized.readUInt8(1) === 0)
          for (let block = 0; block * 4096 < payload.length; block += 1)
            digestBlock(payload.subarray(block * 4096, (block + 1) * 4096), digests, block * 16);
      });
      expect(await compareAll(history, cuts)).toContain('content differs at byte');
    });
  });
});

/** GCM's cipher is a counter mode that begins at 2: what it says when nobody looks at the tag. */
const decryptUnchecked = (key: KeyObject, number: number, sealed: Uint8Array): Buffer => {
  const counter = Buffer.alloc(16);
  counter.writeUInt32LE(3, 0);
  counter.writeBigUInt64LE(BigInt(number), 4);
  counter.writeUInt32BE(2, 12);
  return createDecipheriv('aes-256-ctr', key, counter).update(sealed.subarray(0, -16));
};

/** Where the fields of the remote secret of a key slot begin and end. */
const remoteFieldsOf = (slot: Buffer): number[] => {
  const fields: number[] = [];
  for (let at = 176; at < slot.length - 32; at = fields.at(-1)!) fields.push(at + 2, at + 2 + slot.readUInt16LE(at));
  return fields;
};

/** First and last byte of every field and box of an object, and some between. */
const positionsOf = (name: string, content: Buffer): number[] => {
  const edges = (fields: readonly number[]): number[] =>
    fields.slice(0, -1).flatMap((start, i) => [start, (start + fields[i + 1]!) >> 1, fields[i + 1]! - 1]);
  if (name.startsWith('keys/'))
    return edges([0, 8, 10, 11, 12, 16, 32, 48, 80, 81, 84, 88, 92, 96, 128, 160, 176, ...remoteFieldsOf(content), content.length]);
  const header = readHeader(content, name);
  const indexAt = HEADER_SIZE + header.recordsLength;
  const framesAt = indexAt + header.indexLength;
  const fields = [0, 8, 10, 11, 12, 16, 32, 48, 56, 88, 120, 124, 128, 132, 136, 144, HEADER_SIZE, indexAt - 16, indexAt];
  if (header.indexLength > 0) fields.push(framesAt - 16, framesAt);
  for (let frame = 0, at = framesAt; frame < header.frameCount; frame += 1) {
    const size = Math.floor((content.length - framesAt) / header.frameCount);
    at += frame === header.frameCount - 1 ? content.length - at : size;
    fields.push(at - 16, at);
  }
  return [...new Set(edges(fields))];
};
