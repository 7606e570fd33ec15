import type { RegisteredDisk } from '../disks/disk-registry.ts';
import { watchDisks } from './watch-disks.ts';

const disk = (id: string, size = 4096, path = `/dev/${id}`): RegisteredDisk => ({ id, path, size, kind: 'device', key: id });

/** What is told when each look finds the next of these; a look that finds an error fails. */
const watch = async (...looks: (RegisteredDisk[] | Error)[]): Promise<unknown[]> => {
  const told: unknown[] = [];
  const stopping = new AbortController();
  const left = [...looks];
  await watchDisks(
    {
      findDisks: async () => {
        const next = left.shift()!;
        if (left.length === 0) stopping.abort();
        if (next instanceof Error) throw next;
        return next;
      },
      interval: 0,
      onChange: (disks) => void told.push(disks.map(({ id }) => id).join()),
      onFailure: (reason) => void told.push(reason),
    },
    stopping.signal,
  );
  return told;
};

describe('watching disks', () => {
  const [a, b] = [disk('a'), disk('b')];

  it('tells nothing of what was there from the beginning, in whatever order', async () => {
    expect(await watch([a, b], [b, a], [a, b])).toEqual([]);
  });

  it.each([
    ['came', [[a], [a, b], [a, b]], ['a,b']],
    ['came back, not that it went', [[a, b], [a], [a, b]], ['a,b']],
    ['grew', [[a], [disk('a', 8192)]], ['a']],
    ['has another name', [[a], [disk('a', 4096, '/dev/other')]], ['a']],
  ])('tells of one that %s', async (_, looks, told) => {
    expect(await watch(...looks)).toEqual(told);
  });

  it('goes on after a look that failed', async () => {
    const failure = new Error('no sysfs');
    expect(await watch([a], failure, [a], [a, b])).toEqual([failure, 'a,b']);
  });
});
