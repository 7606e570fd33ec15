import { createSecretKey } from 'node:crypto';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { CutSchema, idBytes, idText, newId, SegmentRecordSchema, SegmentRecordsSchema } from '@holdfast/protocol';
import { CutAssembler } from './cut-assembler.ts';
import type { Slot } from './slot.ts';

type RecordInit = MessageInitShape<typeof SegmentRecordSchema>;

let sequence = 0;
const slot = (frameCount: number, records: RecordInit[]): Slot => {
  sequence += 1;
  return {
    name: `slot ${sequence}`,
    sequence,
    tag: '',
    previousTag: '',
    records: create(SegmentRecordsSchema, { term: 1n, records: records.map((record) => create(SegmentRecordSchema, record)) }),
    frameCount,
    size: 0,
    headLength: 0,
    index: () => {
      throw new Error('not needed');
    },
    openFrame: () => Buffer.alloc(0),
    frameKeys: { key: createSecretKey(Buffer.alloc(32)), fields: new Uint8Array(0), count: frameCount },
  };
};

const cutWith = (...frameCounts: number[]) =>
  create(CutSchema, {
    id: idBytes(newId()),
    epochs: frameCounts.map((count) => ({ diskId: idBytes(newId()), frameCount: BigInt(count) })),
  });
type TestCut = ReturnType<typeof cutWith>;

const part = (cut: TestCut, number: number, last: boolean, epochs: readonly (readonly [number, number, number])[]): RecordInit => ({
  record: {
    case: 'cut',
    value: {
      cutId: cut.id,
      part: number,
      last,
      ...(number === 0 && { cut }),
      epochs: epochs.map(([epoch, first, count]) => ({ epoch, first: BigInt(first), count })),
    },
  },
});
const fence: RecordInit = { record: { case: 'fence', value: { term: 2n } } };
const damage = expect.objectContaining({ code: 'DAMAGED' });

describe('putting cuts together', () => {
  let assembler: CutAssembler;
  beforeEach(() => {
    assembler = new CutAssembler();
  });

  it('finds the frames of whole cuts and of cuts in parts', () => {
    const [a, b, c] = [cutWith(2, 1), cutWith(0, 5), cutWith(1)];
    const first = slot(5, [
      part(a, 0, true, [
        [0, 0, 2],
        [1, 0, 1],
      ]),
      part(b, 0, false, [[1, 0, 2]]),
    ]);
    const second = slot(2, [part(b, 1, false, [[1, 2, 2]])]);
    const third = slot(2, [part(b, 2, true, [[1, 4, 1]]), part(c, 0, true, [[0, 0, 1]])]);
    expect(assembler.take(first)).toEqual([
      {
        number: 0,
        sequence: first.sequence,
        cut: a,
        runs: [[{ sequence: first.sequence, first: 0, count: 2 }], [{ sequence: first.sequence, first: 2, count: 1 }]],
      },
    ]);
    expect(assembler.take(second)).toEqual([]);
    expect(assembler.take(third)).toEqual([
      {
        number: 1,
        sequence: third.sequence,
        cut: b,
        runs: [
          [],
          [
            { sequence: first.sequence, first: 3, count: 2 },
            { sequence: second.sequence, first: 0, count: 2 },
            { sequence: third.sequence, first: 0, count: 1 },
          ],
        ],
      },
      { number: 2, sequence: third.sequence, cut: c, runs: [[{ sequence: third.sequence, first: 1, count: 1 }]] },
    ]);
  });

  it('forgets a cut that its writer gave up, or that a fence cut off', () => {
    const [a, b] = [cutWith(2), cutWith(1)];
    assembler.take(slot(1, [part(a, 0, false, [[0, 0, 1]])]));
    expect(assembler.take(slot(1, [part(b, 0, true, [[0, 0, 1]])])).map(({ cut }) => idText(cut.id))).toEqual([idText(b.id)]);
    expect(() => assembler.take(slot(1, [part(a, 1, true, [[0, 1, 1]])]))).toThrow(damage);

    assembler.take(slot(1, [part(a, 0, false, [[0, 0, 1]])]));
    assembler.take(slot(0, [fence]));
    expect(() => assembler.take(slot(1, [part(a, 1, true, [[0, 1, 1]])]))).toThrow(damage);
  });

  it('steps over what is left of a cut whose beginning is lost, and goes on with the next one', () => {
    const [a, b] = [cutWith(3), cutWith(1)];
    assembler.take(slot(1, [part(a, 0, false, [[0, 0, 1]])]));
    expect(assembler.isWhole).toBe(false);
    assembler.interrupt();
    expect(assembler.isWhole).toBe(true);
    expect(assembler.take(slot(1, [part(a, 2, false, [[0, 1, 1]])]))).toEqual([]);
    const last = slot(2, [part(a, 3, true, [[0, 2, 1]]), part(b, 0, true, [[0, 0, 1]])]);
    expect(assembler.take(last)).toEqual([
      { number: 0, sequence: last.sequence, cut: b, runs: [[{ sequence: last.sequence, first: 1, count: 1 }]] },
    ]);
    expect(() => assembler.take(slot(1, [part(a, 4, true, [[0, 3, 1]])]))).toThrow(damage);
  });

  it.each([
    ['a part without its beginning', () => slot(1, [part(cutWith(1), 1, true, [[0, 0, 1]])])],
    ['frames of an epoch that is not in the cut', () => slot(1, [part(cutWith(1), 0, true, [[1, 0, 1]])])],
    ['frames with a gap', () => slot(1, [part(cutWith(2), 0, true, [[0, 1, 1]])])],
    [
      'frames that are double',
      () =>
        slot(2, [
          part(cutWith(1), 0, true, [
            [0, 0, 1],
            [0, 0, 1],
          ]),
        ]),
    ],
    ['a cut that ends early', () => slot(1, [part(cutWith(2), 0, true, [[0, 0, 1]])])],
    ['frames nobody tells of', () => slot(2, [part(cutWith(1), 0, true, [[0, 0, 1]])])],
    ['fewer frames than told', () => slot(0, [part(cutWith(1), 0, true, [[0, 0, 1]])])],
  ])('calls %s damage', (_, bad) => {
    expect(() => assembler.take(bad())).toThrow(damage);
  });

  it('calls parts out of order damage', () => {
    const cut = cutWith(3);
    assembler.take(slot(1, [part(cut, 0, false, [[0, 0, 1]])]));
    expect(() => assembler.take(slot(1, [part(cut, 2, true, [[0, 1, 2]])]))).toThrow(damage);
  });
});
