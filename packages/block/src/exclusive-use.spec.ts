import { link, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { holdExclusively } from './exclusive-use.ts';

test('a file is held once, under whatever name, until it is let go', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-'));
  const [path, alias] = [join(directory, 'file'), join(directory, 'alias')];
  await writeFile(path, '');
  await link(path, alias);
  const letGo = await holdExclusively(path);
  await expect(holdExclusively(alias)).rejects.toMatchObject({ code: 'DEVICE_IN_USE', thing: alias });
  await letGo();
  await (await holdExclusively(alias))();
  await rm(directory, { recursive: true });
});
