import { createResyncRequest } from './resync-request.ts';

describe('a request to resynchronize', () => {
  const heads = (state: Record<string, string>) =>
    new Map(Object.entries(state).map(([id, word]) => [id, { generationId: word.replace('open ', ''), open: word.startsWith('open ') }]));
  const disks = ['a', 'b', 'c'];

  it('is due for a disk until a new generation of it has begun, however often it is asked', () => {
    const request = createResyncRequest();
    expect(request.due('1', disks, heads({ a: 'g1', b: 'h1' }))).toEqual(['a', 'b']);
    expect(request.due('1', disks, heads({ a: 'g1', b: 'h1' }))).toEqual(['a', 'b']);
    expect(request.due('1', disks, heads({ a: 'open g2', b: 'h1' }))).toEqual(['b']);
    expect(request.due('1', disks, heads({ a: 'g2', b: 'h1' }))).toEqual(['b']);
    expect(request.due('1', disks, heads({ a: 'g2', b: 'h2' }))).toEqual([]);
  });

  it('is met by the copy that is under way', () => {
    const request = createResyncRequest();
    expect(request.due('1', disks, heads({ a: 'open g1', b: 'h1' }))).toEqual(['b']);
    expect(request.due('1', disks, heads({ a: 'g1', b: 'h1' }))).toEqual(['b']);
  });

  it('that is another one begins from the start', () => {
    const request = createResyncRequest();
    request.due('1', disks, heads({ a: 'g1' }));
    expect(request.due('1', disks, heads({ a: 'g2' }))).toEqual([]);
    expect(request.due('2', disks, heads({ a: 'g2' }))).toEqual(['a']);
  });
});
