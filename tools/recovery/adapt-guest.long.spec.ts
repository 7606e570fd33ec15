// The root of a real Debian server, looked into and adapted on a layer over it.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type BlockDevice, createOverlay, openFileDevice } from '@holdfast/block';
import { createAdaptation, openGuest } from '@holdfast/fabric';
import { createNbdServer, type NbdServer } from '@holdfast/nbd';
import { createGuestImage } from '../guest/image.ts';

describe.unless(lacks('root', 'nbdfuse', 'losetup'), 'the disk of a Debian server', () => {
  let directory: string;
  let server: NbdServer | undefined;
  const devices: BlockDevice[] = [];
  afterEach(async () => {
    await server?.close();
    for (const device of devices.toReversed()) await device.close();
    await rm(directory, { recursive: true });
  });

  it('is understood and fitted to other hardware, and stays as it was below', async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'hf-adapt-'));
    const at = (name: string): string => path.join(directory, name);
    const { root } = await createGuestImage();
    const base = await openFileDevice(root, { readOnly: true });
    const device = await createOverlay(base, { identity: 'guest', path: at('overlay') });
    devices.push(base, device);
    server = await createNbdServer({
      exports: new Map([['sda', { device, description: 'sda' }]]),
      listen: { path: at('s') },
      onError: () => {},
    });
    const disk = { id: 'sda', name: 'sda', uri: server.uri('sda') };
    const { signal } = new AbortController();
    const adapt = createAdaptation({ scratch: at('scratch'), pointTime: 0 });
    const request = { manifest: undefined, controller: undefined, firmware: 'bios', network: { kind: 'isolated' }, signal } as const;
    const { report } = await adapt({ ...request, disks: [{ ...disk, device }] });
    expect(report[0]).toBe('Debian GNU/Linux 12 (bookworm)');
    expect(report.filter((line) => line.includes('trouble'))).toEqual([]);
    expect(await readdir(at('scratch'))).toEqual([]);
    // A second look through the same layer: it is a whole file system, and knows the system still.
    const open = await openGuest([disk], { scratch: at('scratch'), signal, rootHints: [] });
    expect(open.linux?.root).toMatchObject({ name: 'sda', type: 'ext4' });
    expect(await open.linux?.tree.list('/usr/lib/modules')).toHaveLength(1);
    await open.close();
  });
});
