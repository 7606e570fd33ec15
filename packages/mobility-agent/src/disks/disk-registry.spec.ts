import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { FoundDisk } from './discover.ts';
import { openDiskRegistry } from './disk-registry.ts';

const found = (name: string, key: string, size = 100): FoundDisk => ({ path: `/dev/${name}`, kind: 'device', size, key });

describe('the ids of disks', () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'registry-'));
  afterAll(() => fs.rmSync(directory, { recursive: true }));
  let files = 0;
  const newFile = (): string => path.join(directory, `${files++}.json`);

  it('stay, whatever the disks are called', async () => {
    const file = newFile();
    const first = await (await openDiskRegistry(file)).identify([found('sda', 'wwn 1'), found('sdb', 'wwn 2')]);
    expect(new Set(first.map(({ id }) => id)).size).toBe(2);
    const registry = await openDiskRegistry(file);
    const second = await registry.identify([found('sdb', 'wwn 1'), found('sdc', 'wwn 3', 200)]);
    expect(second[0]!.id).toBe(first[0]!.id);
    expect(first.map(({ id }) => id)).not.toContain(second[1]!.id);
    expect(first.map(({ id }) => registry.lastPath(id))).toEqual(['/dev/sdb', '/dev/sdb']);
  });

  it('are kept by a disk that grew, also while nothing is attached to it, not by one that shrank', async () => {
    const registry = await openDiskRegistry(newFile());
    const idOf = async (size: number): Promise<string> => (await registry.identify([found('loop0', 'file a', size)]))[0]!.id;
    const id = await idOf(100);
    expect([await idOf(200), await idOf(0)]).toEqual([id, id]);
    expect(await idOf(199)).not.toBe(id);
    expect(await idOf(200)).toBe(id);
  });

  it('are shown without being given', async () => {
    const file = newFile();
    const registry = await openDiskRegistry(file);
    expect(registry.find([found('sda', 'wwn 1')])).toEqual([{ ...found('sda', 'wwn 1'), id: '' }]);
    expect(fs.existsSync(file)).toBe(false);
  });

  it('remember what became of their disks', async () => {
    const file = newFile();
    const registry = await openDiskRegistry(file);
    const [a, b] = (await registry.identify([found('sda', 'wwn 1'), found('sdb', 'wwn 2')])).map(({ id }) => id) as [string, string];
    await registry.mark([a, b], 'protected');
    await registry.mark([b], 'copied');
    await registry.mark([b], 'protected');
    const again = await openDiskRegistry(file);
    expect([again.marked('protected'), again.marked('copied')]).toEqual([[a, b], [b]]);
  });

  it.each(['[]', '{"disks":1}', '{"disks":[{}]}', '{"disks":[{"id":"x","key":"k","path":"p","size":1,"marks":[]}]}', '{"disks":[null]}'])(
    'are refused by name when the file cannot be: %s',
    async (text) => {
      const file = newFile();
      fs.writeFileSync(file, text);
      await expect(openDiskRegistry(file)).rejects.toMatchObject({ code: 'DAMAGED', thing: file });
    },
  );
});
