import { HoldfastError } from '@holdfast/errors';
import { createMemoryStore, type ObjectStore } from '@holdfast/object-store';
import fc from 'fast-check';
import { openKeySlot } from './keys/key-slot.ts';
import { MAGIC, OBJECT_KIND, type ObjectHeader, readHeader, writeHeader } from './object-header.ts';
import { readWhole } from './read-object.ts';
import { openHead } from './sealed-object.ts';
import { decodeSegmentIndex, encodeSegmentIndex } from './segment-index.ts';

const id = 'ab'.repeat(16);
const header: ObjectHeader = {
  kind: OBJECT_KIND.segment,
  keyEpoch: 1,
  vaultId: id,
  machineId: id,
  number: 7,
  previousTag: 'cd'.repeat(32),
  salt: Buffer.alloc(32, 3),
  recordsLength: 20,
  indexLength: 0,
  frameCount: 0,
  framesLength: 0,
};

/** Bytes of any kind, and such as begin like an object. */
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 400 }).map((array) => Buffer.from(array)),
  fc.uint8Array({ minLength: 200, maxLength: 400 }).map((array) => {
    const object = Buffer.from(array);
    MAGIC.copy(object);
    object.writeUInt16LE(1, 8);
    return object;
  }),
  fc.array(fc.tuple(fc.nat(143), fc.nat(255)), { maxLength: 4 }).map((changes) => {
    const object = Buffer.concat([writeHeader(header), Buffer.alloc(100)]);
    for (const [at, value] of changes) object[at] = value;
    return object;
  }),
);

/** Anything may come out but an error that nobody would understand. */
const orNamed = async (parse: () => unknown): Promise<void> => {
  try {
    await parse();
  } catch (reason) {
    if (!(reason instanceof HoldfastError)) throw reason;
    expect(['DAMAGED', 'VAULT_VERSION_UNSUPPORTED']).toContain(reason.code);
  }
};

describe('parsers of what lies in a store', () => {
  it('give a named error for any bytes', async () => {
    await fc.assert(
      fc.asyncProperty(bytes, async (object) => {
        await orNamed(() => readHeader(object, 'object'));
        await orNamed(() =>
          openHead(Buffer.alloc(32), { kind: OBJECT_KIND.segment, vaultId: id, machineId: id, number: 7 }, object, 'object'),
        );
        await orNamed(() => openKeySlot(id, object, { kind: 'key-file', secret: Buffer.alloc(32) }, 'slot'));
        await orNamed(() =>
          decodeSegmentIndex(object, { ...header, frameCount: object.length % 9, framesLength: object.length }, 160, 'object'),
        );
      }),
      { numRuns: 2000 },
    );
  });

  it('read a header as it was written', () => {
    expect(readHeader(Buffer.concat([writeHeader(header), Buffer.alloc(16)]), 'object')).toEqual(header);
  });

  it('read an index as it was written, and none that does not fit its header', () => {
    const frames = [
      { bytes: Buffer.alloc(100), extents: [{ offset: 2 ** 45, length: 4096, kind: 'data' as const }] },
      { bytes: Buffer.alloc(50), extents: [] },
      {
        bytes: Buffer.alloc(70),
        extents: [
          { offset: 0, length: 2 ** 30, kind: 'zero' as const },
          { offset: 4096, length: 10, kind: 'unreadable' as const },
        ],
      },
    ];
    const fitting = { ...header, frameCount: 3, framesLength: 268 };
    const index = decodeSegmentIndex(encodeSegmentIndex(frames), fitting, 1000, 'object');
    expect([...index.positions]).toEqual([1000, 1116, 1182, 1268]);
    expect([...index.firstExtent]).toEqual([0, 1, 1, 3]);
    expect([...index.offsets]).toEqual([2 ** 45, 0, 4096]);
    expect([...index.lengths]).toEqual([4096, 2 ** 30, 10]);
    expect([...index.kinds]).toEqual([0, 1, 2]);
    for (const other of [{ frameCount: 2 }, { frameCount: 4 }, { framesLength: 267 }])
      expect(() => decodeSegmentIndex(encodeSegmentIndex(frames), { ...fitting, ...other }, 1000, 'object')).toThrow(
        expect.objectContaining({ code: 'DAMAGED' }),
      );
  });

  it('refuse an index whose numbers come round to what they should be', () => {
    const frames = [
      { bytes: Buffer.alloc(10), extents: [] },
      { bytes: Buffer.alloc(10), extents: [{ offset: 0, length: 4096, kind: 'zero' as const }] },
    ];
    const bytes = encodeSegmentIndex(frames);
    const fitting = { ...header, frameCount: 2, framesLength: 52 };
    expect([...decodeSegmentIndex(bytes, fitting, 0, 'object').firstExtent]).toEqual([0, 0, 1]);
    // 2^32 - 1 extents in the first frame, 2 in the second: 1 in 32 bits.
    bytes.writeUInt32LE(2 ** 32 - 1, 4);
    bytes.writeUInt32LE(2, 12);
    expect(() => decodeSegmentIndex(bytes, fitting, 0, 'object')).toThrow(expect.objectContaining({ code: 'DAMAGED' }));
  });

  it('take no more than an object may have, however large it is in the store', async () => {
    const store = createMemoryStore();
    await store.create('a', Buffer.alloc(100, 1));
    expect(await readWhole(store, 'a', 100)).toEqual(Buffer.alloc(100, 1));
    await expect(readWhole(store, 'a', 99)).rejects.toMatchObject({ code: 'DAMAGED', thing: 'a' });
    await expect(readWhole(store, 'b')).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
    const asked: unknown[] = [];
    const watched: ObjectStore = {
      ...store,
      read: async (_, range) => {
        asked.push(range);
        return Buffer.alloc(1);
      },
    };
    await readWhole(watched, 'a');
    expect(asked).toEqual([{ offset: 0, length: 2 ** 30 + 1 }]);
  });
});
