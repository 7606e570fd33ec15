import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAzureStore } from '@holdfast/object-store';
import { identify, isAlive } from '../lab/host/processes.ts';
import { startAzurite } from './azurite.ts';

describe('Azurite as a process', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-azurite-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('serves after a kill what was created before it, and is gone when stopped', async () => {
    const first = await startAzurite({ folder });
    const url = await first.createContainer('vault');
    const { port, key } = first;
    const store = createAzureStore({ url, credential: { kind: 'key', key } });
    await store.create('kept', Buffer.from('x'));
    const process_ = identify(first.pid)!;
    // It writes its index every few seconds and when it is told to stop.
    await first.stop();
    expect(isAlive(process_)).toBe(false);
    await expect(store.stat('kept')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });

    const second = await startAzurite({ folder, port, key });
    expect((await store.stat('kept')).size).toBe(1);
    await store.close();
    await second.stop('SIGKILL');
    await second.stop();
  });

  it('that cannot start says why', async () => {
    const first = await startAzurite({ folder });
    await expect(startAzurite({ folder, port: first.port })).rejects.toMatchObject({
      code: 'IO_FAILED',
      why: expect.stringContaining('EADDRINUSE'),
    });
    await first.stop();
  });
});
