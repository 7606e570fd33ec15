import { create, toBinary } from '@bufbuild/protobuf';
import { CatalogueSchema, HistoryRecordsSchema } from '@holdfast/protocol';
import { countMessages } from './message-count.ts';
import { decodeRecords } from './read-object.ts';
import type { ObjectHead } from './sealed-object.ts';

describe('counting messages', () => {
  it('counts those inside, of every kind, and passes over all else', () => {
    const history = create(HistoryRecordsSchema, {
      slots: [{ sequence: 5n, tag: new Uint8Array(32).fill(8) }],
      cuts: [
        {
          number: 1n,
          cut: { id: new Uint8Array(16), epochs: [{ number: 3n }, { number: 4n, instant: { unixNanos: 9n } }] },
          epochs: [{}, { runs: [{ count: 7 }] }],
        },
        {},
      ],
      thinnedEnd: 2n ** 64n - 1n,
    });
    // Itself, a slot, two cuts, the cut in one, its two epochs, an instant, two places, a run.
    expect(countMessages(HistoryRecordsSchema, toBinary(HistoryRecordsSchema, history), 100)).toBe(11);
    expect(countMessages(HistoryRecordsSchema, toBinary(HistoryRecordsSchema, history), 4)).toBe(5);
    expect(countMessages(CatalogueSchema, new Uint8Array(0), 100)).toBe(1);
  });

  it('keeps records from becoming more than memory holds', () => {
    // Seven million cuts without anything in them.
    const records = Buffer.alloc(14_000_000);
    for (let at = 0; at < records.length; at += 2) records[at] = 0x12;
    const head = { records } as unknown as ObjectHead;
    expect(() => decodeRecords(HistoryRecordsSchema, head, 'object')).toThrow(
      expect.objectContaining({ code: 'DAMAGED', thing: 'object' }),
    );
    const cut = records.subarray(0, 13_999_999);
    expect(() => decodeRecords(HistoryRecordsSchema, { records: cut } as unknown as ObjectHead, 'object')).toThrow(/DAMAGED/);
  });
});
