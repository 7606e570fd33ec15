import { durableSince, type MadeCut } from './durable-since.ts';

const cut = (cutId: string, at: number, isEmpty = false): MadeCut => ({ cutId, at, isEmpty });

describe('up to when nothing can be lost', () => {
  it('is not known before the first durable cut', () => {
    expect(durableSince([], new Set(), new Set())).toBeUndefined();
    expect(durableSince([cut('a', 1)], new Set(['a']), new Set(['a']))).toBeUndefined();
  });

  it('is the newest durable cut; older ones are forgotten', () => {
    const made = [cut('a', 1), cut('b', 2), cut('c', 3)];
    expect(durableSince(made, new Set(['c']), new Set(['c']))).toBe(2);
    expect(made).toHaveLength(2);
    expect(durableSince(made, new Set(), new Set())).toBe(3);
    expect(durableSince(made, new Set(), new Set())).toBe(3);
  });

  it('is a later one that is empty and on the disk of the server, as long as none that is not stands before it', () => {
    const made = () => [cut('a', 1), cut('b', 2, true), cut('c', 3, true), cut('d', 4), cut('e', 5, true)];
    const held = new Set(['b', 'c', 'd', 'e']);
    expect(durableSince(made(), held, held)).toBe(3);
    expect(durableSince(made(), held, new Set(['c', 'd', 'e']))).toBe(1);
  });
});
