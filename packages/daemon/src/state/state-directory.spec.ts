import { type FileHandle, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openStateDirectory } from './state-directory.ts';

describe('a state directory', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'state-'));
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await rm(directory, { recursive: true });
  });

  const words = (): Promise<string> => readFile(path.join(directory, 'lock'), 'utf8');

  it('belongs to one process, which is named to whoever wants it too, until it is released', async () => {
    const first = await openStateDirectory(directory, 'a-program-with-a-long-name');
    await expect(openStateDirectory(directory, 'b')).rejects.toMatchObject({
      code: 'ALREADY_RUNNING',
      why: `a-program-with-a-long-name (process ${process.pid}) uses it`,
    });
    await first.release();
    const second = await openStateDirectory(directory, 'b');
    expect(await words()).toBe(`b ${process.pid}\n`);
    await second.release();
  });

  it('is taken on a full disk too, where nothing more can be said of who has it', async () => {
    await (await openStateDirectory(directory, 'first')).release();
    const handle = await open(directory);
    const prototype = Object.getPrototypeOf(handle) as FileHandle;
    await handle.close();
    const full = jest.spyOn(prototype, 'write').mockRejectedValue(Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' }));
    const taken = await openStateDirectory(directory, 'second');
    expect(full).toHaveBeenCalled();
    await expect(openStateDirectory(directory, 'third')).rejects.toMatchObject({ code: 'ALREADY_RUNNING' });
    await taken.release();
  });
});
