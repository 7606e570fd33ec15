import { GenerationReason, idBytes, idText, newId } from '@holdfast/protocol';
import { advance, grow, readAgain, resumeLineage } from './lineage.ts';

const diskId = newId();
const generationId = newId();
const head = {
  diskId,
  generationId,
  number: 7,
  open: false,
  diskSize: 8192,
  coveredThrough: 0,
  ended: false,
  state: { generationId, number: 7 },
};

describe('lineage', () => {
  test('a disk never seen before begins with a first copy', () => {
    const lineage = resumeLineage(diskId, 8192, undefined, { kind: 'new' });
    expect(lineage).toMatchObject({ next: 0, open: true, covered: 0 });
    expect(lineage.generation?.reason).toBe(GenerationReason.FIRST_COPY);
    expect(lineage.generation?.parent).toBeUndefined();
  });

  test('with proven continuity the generation goes on', () => {
    expect(resumeLineage(diskId, 8192, head, { kind: 'continuous' })).toEqual({
      diskId,
      generationId: head.generationId,
      next: 8,
      open: false,
      told: 0,
      covered: 8192,
      base: undefined,
      generation: undefined,
    });
  });

  test('an interrupted copy goes on where it was', () => {
    expect(resumeLineage(diskId, 8192, { ...head, open: true, coveredThrough: 4096 }, { kind: 'continuous' })).toMatchObject({
      next: 8,
      open: true,
      covered: 4096,
    });
  });

  test.each([
    ['lost', 8192, { kind: 'lost', reason: 'the ring overflowed' } as const, /overflowed/],
    ['unknown', 8192, { kind: 'new' } as const, /restarted/],
    ['grown', 12288, { kind: 'continuous' } as const, /grew from 8192 to 12288/],
  ])('%s continuity begins a generation on top of the newest epoch and says why', (_, size, continuity, detail) => {
    const lineage = resumeLineage(diskId, size, head, continuity);
    expect(lineage.next).toBe(0);
    expect(lineage.generationId).not.toBe(head.generationId);
    expect(lineage.generation?.reason).toBe(GenerationReason.RESYNCHRONIZATION);
    expect(idText(lineage.generation!.parent!.generationId)).toBe(head.generationId);
    expect(lineage.generation?.parent?.number).toBe(7n);
    expect(lineage.generation?.detail).toMatch(detail);
  });

  test('a disk that was written unseen is read again: on top of its newest state, or as the first copy it was', () => {
    const whole = resumeLineage(diskId, 8192, head, { kind: 'continuous' });
    const again = readAgain(whole, 'why');
    expect(again).toMatchObject({ next: 0, open: true, covered: 0, told: 0, base: { generationId, number: 7 } });
    expect(again.generation?.detail).toBe('why');
    // Nothing of that generation is committed yet: it needs no other.
    expect(readAgain(again, 'once more').generationId).toBe(again.generationId);
    // One that grew before.
    expect(readAgain(grow(whole, 8192, 16_384), 'why')).toMatchObject({ open: true, covered: 0, told: 0 });
    const begun = advance(again, { open: true, covered: 4096 });
    expect(readAgain(begun, 'third')).toMatchObject({ next: 0, covered: 0, told: 0, base: { generationId, number: 7 } });
    const first = advance(resumeLineage(diskId, 8192, undefined, { kind: 'new' }), { open: true, covered: 4096 });
    expect(readAgain(first, 'why')).toEqual({ ...first, covered: 0, told: 4096 });
  });

  test('a disk that grew is copied from its old end on, from the beginning of its last block', () => {
    const lineage = resumeLineage(diskId, 12288, { ...head, diskSize: 8192 - 512 }, { kind: 'continuous' });
    expect(lineage).toMatchObject({ open: true, covered: 4096, base: head.state });
    expect(grow(resumeLineage(diskId, 8192, head, { kind: 'continuous' }), 8192, 12288)).toMatchObject({
      next: 0,
      open: true,
      covered: 8192,
      base: head.state,
      generation: { detail: 'the disk grew from 8192 to 12288 bytes' },
    });
  });

  test.each([
    [4096, 4096],
    [8192 - 512, 4096],
  ])('a copy under way of a disk that grew goes on: %i bytes were covered', (coveredThrough, covered) => {
    const open = { ...head, open: true, diskSize: 8192 - 512, coveredThrough };
    const lineage = resumeLineage(diskId, 12288, open, { kind: 'continuous' });
    expect(lineage).toMatchObject({ generationId, next: 8, open: true, covered, generation: undefined });
  });

  test('a generation that must not go on does not, continuous or not', () => {
    expect(resumeLineage(diskId, 8192, { ...head, ended: true }, { kind: 'continuous' }).generation?.detail).toMatch(/may be lost/);
  });

  test('a copy that was never finished is no base', () => {
    const lineage = resumeLineage(diskId, 8192, { ...head, open: true, state: undefined }, { kind: 'new' });
    expect(lineage.generation?.parent).toBeUndefined();
    expect(lineage.base).toBeUndefined();
  });

  test('a resynchronization that was never finished is no base: the state it built on is', () => {
    const state = { generationId: newId(), number: 3 };
    const lineage = resumeLineage(diskId, 8192, { ...head, open: true, state }, { kind: 'new' });
    expect(lineage.generation?.parent).toMatchObject({ generationId: idBytes(state.generationId), number: 3n });
    expect(lineage.base).toEqual(state);
    expect(advance(lineage, { open: true, covered: 4096 }).base).toEqual(state);
    expect(advance(lineage, { open: false, covered: 0 }).base).toBeUndefined();
  });

  test('a shrunk disk is refused', () => {
    expect(() => resumeLineage(diskId, 4096, head, { kind: 'continuous' })).toThrow(/DEVICE_CHANGED/);
  });

  test('a generation is announced once', () => {
    const first = resumeLineage(diskId, 8192, undefined, { kind: 'new' });
    expect(advance(first, { open: true, covered: 4096 })).toMatchObject({ next: 1, open: true, covered: 4096, generation: undefined });
  });
});
