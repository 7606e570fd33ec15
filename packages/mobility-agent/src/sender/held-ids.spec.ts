import { create, toBinary } from '@bufbuild/protobuf';
import { OpenSchema } from '@holdfast/protocol';
import { heldIds } from './held-ids.ts';

/** Bytes of the largest message that goes through. */
const LARGEST_MESSAGE = 4 * 1024 * 1024;

describe('the cuts that are told when a stream opens', () => {
  const held = (count: number): { cut: { id: Uint8Array } }[] =>
    Array.from({ length: count }, (_, number) => {
      const id = Buffer.alloc(16, 0xff);
      id.writeUInt32BE(number);
      return { cut: { id } };
    });

  it('are all that are held, oldest first', () => {
    expect(heldIds(held(3)).map((id) => Buffer.from(id).readUInt32BE(0))).toEqual([0, 1, 2]);
  });

  it('fit into a message, however long the machine was away', () => {
    const all = held(300_000);
    const size = (heldCutIds: Uint8Array[]): number => toBinary(OpenSchema, create(OpenSchema, { heldCutIds })).length;
    expect(size(all.map(({ cut }) => cut.id))).toBeGreaterThan(LARGEST_MESSAGE);
    const told = heldIds(all);
    expect(size(told)).toBeLessThan(LARGEST_MESSAGE / 2);
    expect(told[0]).toEqual(all[0]!.cut.id);
  });
});
