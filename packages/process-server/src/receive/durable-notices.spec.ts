import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { DurableSchema, idText } from '@holdfast/protocol';
import { createDurableNotices } from './durable-notices.ts';

describe('what is told to have become durable', () => {
  const id = (number: number): string => number.toString(16).padStart(32, '0');
  const anchor = (sequence: number) => ({ sequence, tag: 'ab'.repeat(32), term: 1 });
  const tell = async (gathered: boolean, count: number) => {
    const said: MessageInitShape<typeof DurableSchema>[] = [];
    const notices = createDurableNotices(gathered, (durable) => said.push(durable));
    for (let number = 0; number < count; number += 1) notices.add(id(number), anchor(number));
    await new Promise(setImmediate);
    return said.map((durable) => {
      const message = create(DurableSchema, durable);
      const ids = [...message.earlierCutIds, message.cutId].map(idText);
      return { ids, sequence: Number(message.anchor!.sequence), size: toBinary(DurableSchema, message).length };
    });
  };

  it('is one message of what came in one moment, or one of each cut', async () => {
    expect(await tell(true, 3)).toMatchObject([{ ids: [0, 1, 2].map(id), sequence: 2 }]);
    expect((await tell(false, 3)).map(({ ids }) => ids)).toEqual([[id(0)], [id(1)], [id(2)]]);
  });

  it('is told in messages that go through, whole and in order, however much there is', async () => {
    const said = await tell(true, 250_000);
    expect(said.flatMap(({ ids }) => ids)).toEqual(Array.from({ length: 250_000 }, (_, number) => id(number)));
    expect(Math.max(...said.map(({ size }) => size))).toBeLessThan(1024 * 1024);
    for (const { ids, sequence } of said) expect(ids.at(-1)).toBe(id(sequence));
  });
});
