import { describeObjectStore } from './conformance/index.ts';
import { createCopiedStore } from './lagging-copy.ts';

describeObjectStore('a store that is copied', { open: async () => createCopiedStore({ now: Date.now }).store });

describe('the copy in another region', () => {
  it('misses what it is told to of the newest operations, creations and deletions alike, and nothing older', async () => {
    let time = 0;
    const copied = createCopiedStore({ now: () => time });
    const names = async (loses: () => boolean): Promise<string[]> => {
      const found: string[] = [];
      for await (const { name, created } of (await copied.copy({ window: 10, loses })).list('')) found.push(`${name} ${created}`);
      return found;
    };
    await copied.store.create('old', Buffer.from('1'));
    await copied.store.create('gone', Buffer.from('1'));
    time = 20;
    await copied.store.create('new', Buffer.from('1'));
    await copied.store.delete('gone');
    expect(await names(() => false)).toEqual(['new 20', 'old 0']);
    expect(await names(() => true)).toEqual(['gone 0', 'old 0']);
    const answers = [true, false];
    expect(await names(() => answers.shift()!)).toEqual(['old 0']);
  });
});
