import { createMemoryStore, type StoreCall, seededFaults } from '@holdfast/object-store';
import { newId } from '@holdfast/protocol';
import { compactMachine } from './compact-machine.ts';
import { keepMachine } from './keep-machine.ts';
import { addHolder } from './keys/holders.ts';
import { rotateKeys } from './keys/key-epochs.ts';
import { rekeyVault } from './keys/rekey.ts';
import { HEADER_SIZE, NO_MACHINE, OBJECT_KIND, readHeader, TAG_SIZE } from './object-header.ts';
import { NO_TAG, openHead, sealObject } from './sealed-object.ts';
import { recordFailover, recordRelease } from './takeover.ts';
import { fastClock, settled } from './testing/fast-clock.ts';
import { recording, repeated } from './testing/nonce-book.ts';
import { createTestVault, TEST_KEY } from './testing/open-test-vault.ts';
import { SimulatedSource } from './testing/simulated-source.ts';
import { WriterBench } from './testing/writer-bench.ts';

describe('key and nonce', () => {
  it('never seal two things although the random generator repeats itself', () => {
    const seal = (number: number, records: string, frame: string): Buffer => {
      const identity = { kind: OBJECT_KIND.segment, keyEpoch: 1, vaultId: NO_MACHINE, machineId: NO_MACHINE, number, previousTag: NO_TAG };
      const content = { records: Buffer.from(records), index: Buffer.from('index'), frames: [Buffer.from(frame)] };
      return sealObject(Buffer.alloc(32, 1), identity, content, Buffer.alloc(32, 2)).bytes;
    };
    const sealed = [seal(1, 'a', 'a'), seal(1, 'b', 'a'), seal(1, 'a', 'b'), seal(2, 'a', 'a')];
    expect(repeated(sealed)).toEqual([]);
    expect(new Set(sealed.map((bytes) => readHeader(bytes, 'object').salt.toString())).size).toBe(4);
    expect(seal(1, 'a', 'a')).toEqual(sealed[0]);
  });

  it('of a frame are found without the bytes that the head was read from', () => {
    const identity = { kind: OBJECT_KIND.segment, keyEpoch: 1, vaultId: NO_MACHINE, machineId: NO_MACHINE, number: 1, previousTag: NO_TAG };
    const content = { records: Buffer.from('r'), index: Buffer.from('i'), frames: [Buffer.from('frame')] };
    const { bytes } = sealObject(Buffer.alloc(32, 1), identity, content);
    const frame = Buffer.from(bytes.subarray(bytes.length - 5 - TAG_SIZE));
    const head = openHead(Buffer.alloc(32, 1), identity, bytes, 'object');
    // Were anything of it still used, it would also still be kept in memory.
    bytes.fill(0);
    expect(head.openFrame(0, frame).toString()).toBe('frame');
    expect(head.header.salt.buffer.byteLength).toBe(HEADER_SIZE);
  });

  it('never seal two things, whatever is sealed again: retries, orphans, crashes, takeovers, keepers, changes of keys', async () => {
    const sealed: Buffer[] = [];
    const source = new SimulatedSource([64 * 1024, 50_000]);
    const store = recording(createMemoryStore(), (content) => void sealed.push(content));
    const bench = new WriterBench(source, store, await createTestVault(source, store));
    const cuts = await bench.cuts(12);
    const older = await bench.open({ inFlight: 4 });
    older.plan = ({ request, name }: StoreCall) =>
      request === 'create' && name.endsWith('log/000000000001') ? { stall: new Promise(() => {}) } : undefined;
    for (const { content } of cuts.slice(0, 4)) {
      older.writer.append(content).catch(() => {});
      await settled();
    }
    for (let seed = 0; seed < 4; seed += 1) {
      const bencher = await bench.open({ inFlight: 3, segmentSize: 5000 });
      bencher.plan = seededFaults(seed, { before: 0.3, after: 0.3 });
      await Promise.all(cuts.slice(0, 3 * (seed + 1)).map(({ content }) => bencher.writer.append(content)));
    }
    const operationId = newId();
    await recordFailover(bench.vault, source.machineId, { operationId, pointId: cuts[0]!.pointId! });
    await recordRelease(bench.vault, source.machineId, { operationId });
    await bench.expectWhole(cuts);
    await addHolder(bench.vault, { kind: 'key-file', secret: Buffer.alloc(32, 9) });
    await rotateKeys(bench.vault);
    const last = await bench.open({ checkpoint: { slots: 1 } });
    const more = await bench.cuts(3);
    for (const { content } of more) await last.writer.append(content);
    await settled();
    await compactMachine(bench.vault, source.machineId, { minCuts: 1, unitFrames: 1, clock: fastClock });
    await rekeyVault(bench.vault, [{ key: TEST_KEY }]);
    await keepMachine(bench.vault, source.machineId, { policy: '24h', clock: fastClock });
    await bench.expectWhole([...cuts, ...more]);
    // Slots and parts under the rotated key, data keys and holders under the new root key.
    const headers = sealed.map((bytes) => readHeader(bytes, 'object'));
    const keys = headers.map(({ kind, keyEpoch, rootGeneration }) => `${kind}:${keyEpoch || `root ${rootGeneration ?? 1}`}`);
    expect(keys).toEqual(expect.arrayContaining(['1:2', '10:2', '4:root 1', '4:root 2', '13:root 1', '13:root 2']));

    expect(sealed.length).toBeGreaterThan(25);
    expect(new Set(sealed.map((bytes) => bytes.toString('hex'))).size).toBeLessThan(sealed.length);
    expect(repeated(sealed)).toEqual([]);
    await bench.close();

    // The judge can tell: one more object under a salt that was used.
    const forged = Buffer.from(sealed.at(-1)!);
    forged[forged.length - 1]! ^= 1;
    expect(repeated([...sealed, forged])).toHaveLength(1);
  });
});
