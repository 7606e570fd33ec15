import { createTurn } from './turn.ts';

describe('a turn', () => {
  it('is free at once when nobody goes alone, and after the last of those who do', async () => {
    const turn = createTurn();
    await turn.free();
    const order: string[] = [];
    const endFirst = await turn.alone();
    const second = turn.alone().then((end) => {
      order.push('second');
      end();
    });
    const others = turn.free().then(() => order.push('others'));
    order.push('first');
    endFirst();
    await Promise.all([second, others]);
    expect(order).toEqual(['first', 'second', 'others']);
  });

  it('is not held up for ever by one who never ends', async () => {
    const turn = createTurn(10);
    await turn.alone();
    await turn.free();
    const end = await turn.alone();
    end();
  });
});
