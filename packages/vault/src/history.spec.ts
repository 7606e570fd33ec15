import { create } from '@bufbuild/protobuf';
import { CutSchema, idBytes, newId } from '@holdfast/protocol';
import { HistoryBuilder } from './history.ts';

const machineId = newId();
const [disk, generation] = [newId(), newId()];
const ref = (number: number) => ({ generationId: idBytes(generation), number: BigInt(number) });

/** A cut with one epoch and a point that names another one, perhaps one that is yet to come. */
const cutOf = (number: number, member: number, open: boolean) => {
  const id = idBytes(newId());
  return create(CutSchema, {
    id,
    machineId: idBytes(machineId),
    generations: number === 0 ? [{ id: idBytes(generation), diskId: idBytes(disk) }] : [],
    epochs: [{ ...ref(number), diskId: idBytes(disk), cutId: id, diskSize: 4096n, contentDigest: Buffer.alloc(32), open }],
    point: { id: idBytes(newId()), cutId: id, members: [{ diskId: idBytes(disk), epoch: ref(member) }] },
  });
};
const names = (builder: HistoryBuilder): bigint[] => builder.points().map(({ point }) => point.members[0]!.epoch!.number);

describe('history', () => {
  it('has a point when every member is there and makes a state, not before', () => {
    const builder = new HistoryBuilder(machineId);
    builder.add({ number: 0, cut: cutOf(0, 0, true), runs: [[]] }, 'slot');
    expect(names(builder)).toEqual([]);
    builder.add({ number: 1, cut: cutOf(1, 3, false), runs: [[]] }, 'slot');
    expect(names(builder)).toEqual([]);
    builder.add({ number: 2, cut: cutOf(2, 1, false), runs: [[]] }, 'slot');
    expect(names(builder)).toEqual([1n]);
    builder.add({ number: 3, cut: cutOf(3, 3, false), runs: [[]] }, 'slot');
    expect(names(builder)).toEqual([3n, 1n, 3n]);
  });

  it('calls a cut damage that breaks the rules of lineage or is there twice', () => {
    const builder = new HistoryBuilder(machineId);
    const first = cutOf(0, 0, false);
    builder.add({ number: 0, cut: first, runs: [[]] }, 'slot 0');
    for (const cut of [first, cutOf(2, 0, false)])
      expect(() => builder.add({ number: 1, cut, runs: [[]] }, 'slot 1')).toThrow(
        expect.objectContaining({ code: 'DAMAGED', thing: 'slot 1' }),
      );
  });
});
