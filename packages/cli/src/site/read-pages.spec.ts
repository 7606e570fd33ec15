import { readPages } from './read-pages.ts';

const serve = (all: readonly number[]) => {
  const asked: number[] = [];
  const readPage = async ({ pageSize, pageToken }: { pageSize: number; pageToken: string }) => {
    asked.push(pageSize);
    const from = Number(pageToken);
    return { rows: all.slice(from, from + pageSize), nextPageToken: from + pageSize < all.length ? String(from + pageSize) : '' };
  };
  return { asked, readPage };
};

describe('pages', () => {
  const all = Array.from({ length: 1100 }, (_, at) => at);

  it('are read to the end, or to the limit', async () => {
    const { asked, readPage } = serve(all);
    expect(await readPages(readPage)).toEqual(all);
    expect(await readPages(readPage, 600)).toEqual(all.slice(0, 600));
    expect(asked).toEqual([500, 500, 500, 500, 100]);
    expect(await readPages(serve([]).readPage)).toEqual([]);
  });

  it('that go round in a circle are refused', async () => {
    const circle = readPages(async () => ({ rows: [1], nextPageToken: 'again' }));
    await expect(circle).rejects.toMatchObject({ code: 'PROTOCOL_VIOLATION' });
  });

  it('larger than asked for are cut', async () => {
    expect(await readPages(async () => ({ rows: all, nextPageToken: 'x' }), 3)).toEqual([0, 1, 2]);
  });
});
