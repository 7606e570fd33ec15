import { create } from '@bufbuild/protobuf';
import { idBytes, newId, type SegmentRecord, SegmentRecordSchema, SegmentRecordsSchema } from '@holdfast/protocol';
import { EMPTY_LOG } from './head.ts';
import { LogState } from './log-state.ts';

const fence = (term: number): SegmentRecord =>
  create(SegmentRecordSchema, { record: { case: 'fence', value: { term: BigInt(term), writerId: idBytes(newId()) } } });

const slot = (sequence: number, previous: string, term: number, records: SegmentRecord[] = []) => ({
  sequence,
  tag: String(sequence + 1).repeat(64),
  previousTag: previous,
  records: create(SegmentRecordsSchema, { term: BigInt(term), records }),
});

describe('which slots count', () => {
  it('those that link to the last one', () => {
    const state = new LogState();
    expect(state.head).toEqual(EMPTY_LOG);
    const first = slot(0, EMPTY_LOG.tag, 1, [fence(1)]);
    expect(state.accepts(slot(0, 'ff'.repeat(32), 1))).toBe(false);
    expect(state.accepts(first)).toBe(true);
    state.advance(first);
    expect(state.head).toEqual({ sequence: 0, tag: first.tag, term: 1 });
    expect(state.accepts(slot(1, EMPTY_LOG.tag, 1))).toBe(false);
    expect(state.accepts(slot(1, first.tag, 1))).toBe(true);
  });

  it('none of a term below the last fence, whatever it links to', () => {
    const state = new LogState();
    const first = slot(0, EMPTY_LOG.tag, 5, [fence(5)]);
    state.advance(first);
    for (const [term, counts] of [
      [4, false],
      [5, true],
      [6, true],
    ] as const)
      expect(state.accepts(slot(1, first.tag, term))).toBe(counts);
  });

  it('and a failover holds until a release, whoever fences between', () => {
    const [operationId, pointId] = [newId(), newId()];
    const failover = create(SegmentRecordSchema, {
      record: { case: 'failover', value: { operationId: idBytes(operationId), pointId: idBytes(pointId) } },
    });
    const release = create(SegmentRecordSchema, { record: { case: 'release', value: { operationId: idBytes(operationId) } } });
    const state = new LogState();
    state.advance(slot(0, EMPTY_LOG.tag, 1, [fence(1), failover]));
    expect(state.failedOver).toEqual({ operationId, pointId });
    state.advance(slot(1, state.head.tag, 2, [fence(2)]));
    expect(state.failedOver).toEqual({ operationId, pointId });
    const late = create(SegmentRecordSchema, { record: { case: 'release', value: { operationId: idBytes(newId()) } } });
    state.advance(slot(2, state.head.tag, 3, [fence(3), late]));
    expect(state.failedOver).toEqual({ operationId, pointId });
    state.advance(slot(3, state.head.tag, 4, [fence(4), release]));
    expect(state.failedOver).toBeUndefined();
  });
});
