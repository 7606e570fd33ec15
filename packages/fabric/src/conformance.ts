import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type BlockDevice, createMemoryDevice } from '@holdfast/block';
import { HoldfastError } from '@holdfast/errors';
import { createNbdServer, type NbdServer } from '@holdfast/nbd';
import type { Fabric, MachineRequest, MachineStatus } from './fabric.ts';

const MIB = 2 ** 20;
const SIZE = 8 * MIB;
const PATIENCE_MILLISECONDS = 60_000;
/** Firmware reads the first sectors, finds nothing to start, and waits: as much of a machine as these need. */
const UNREADABLE = new HoldfastError('STORE_UNAVAILABLE', { thing: 'source', why: 'it is away', remedy: 'wait' });

/** A source of which reads can be made to fail. */
const createSource = (): { readonly device: BlockDevice; away: boolean; reads: number; failures: number } => {
  const memory = createMemoryDevice(SIZE);
  const source = { device: memory as BlockDevice, away: false, reads: 0, failures: 0 };
  source.device = Object.assign(Object.create(memory) as BlockDevice, {
    size: memory.size,
    readOnly: true,
    read: async (offset: number, target: Uint8Array) => {
      source.reads += 1;
      if (source.away) {
        source.failures += 1;
        throw UNREADABLE;
      }
      await memory.read(offset, target);
    },
    allocated: (offset: number, length: number) => memory.allocated(offset, length),
    flush: () => memory.flush(),
  });
  return source;
};

const isThere = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/**
 * Jest specs that every fabric has to pass. `make` opens the fabric over one place, as another process would; it is called several times with the
 * same place.
 */
export const describeFabric = (name: string, make: (place: string) => Promise<Fabric>): void => {
  describe(`${name} as a fabric`, () => {
    let place: string;
    let fabric: Fabric;
    let source: ReturnType<typeof createSource>;
    let server: NbdServer;
    let request: MachineRequest;
    const id = randomBytes(16).toString('hex');

    const until = async (what: string, isSo: (status: MachineStatus) => boolean): Promise<MachineStatus> => {
      for (const end = performance.now() + PATIENCE_MILLISECONDS; ; await sleep(20)) {
        const status = await fabric.status(id);
        if (status !== undefined && isSo(status)) return status;
        if (performance.now() > end) throw new Error(`not ${what}: ${JSON.stringify(status)}`);
      }
    };

    beforeAll(async () => {
      place = await mkdtemp(path.join(tmpdir(), 'fabric-'));
      source = createSource();
      const socket = path.join(place, 's');
      server = await createNbdServer({ exports: new Map([['disk', { device: source.device, readOnly: true }]]), listen: { path: socket } });
      fabric = await make(path.join(place, 'm'));
      const disk = { id: 'disk', size: SIZE, controller: 'virtio', source: { kind: 'nbd', socket, export: 'disk' } } as const;
      const network = { model: 'virtio', attachment: { kind: 'isolated' } } as const;
      request = {
        operationId: id,
        name: 'blank',
        shape: { cpus: 1, memoryBytes: 64 * MIB, firmware: 'bios', disks: [disk], networks: [network] },
      };
    });

    afterAll(async () => {
      await fabric.remove(id);
      await server.close();
      await rm(place, { recursive: true, force: true });
    });

    it('finds this host fit, and says so for each thing', async () => {
      const findings = await fabric.check(request.shape);
      expect(findings.filter(({ level }) => level === 'error')).toEqual([]);
      expect(findings.length).toBeGreaterThan(2);
    });

    it('knows no machine before one is made', async () => {
      expect(await fabric.list()).toEqual([]);
      expect(await fabric.status(id)).toBeUndefined();
      await expect(fabric.start(id)).rejects.toMatchObject({ code: 'RESOURCE_NOT_FOUND' });
      await fabric.remove(id);
    });

    it('refuses a shape that cannot be, and makes nothing of it', async () => {
      await expect(fabric.create({ ...request, shape: { ...request.shape, disks: [] } })).rejects.toMatchObject({
        code: 'SETTING_INVALID',
      });
      await expect(fabric.create({ ...request, operationId: '../x' })).rejects.toMatchObject({ code: 'SETTING_INVALID' });
      expect(await fabric.list()).toEqual([]);
    });

    it('makes a machine once, however often it is asked to', async () => {
      await fabric.create(request);
      await fabric.create(request);
      expect(await fabric.list()).toMatchObject([{ operationId: id, name: 'blank', state: 'off' }]);
      const other = { ...request, shape: { ...request.shape, cpus: 2 } };
      await expect(fabric.create(other)).rejects.toMatchObject({ code: 'SETTING_INVALID' });
    });

    it('starts it once; whoever comes later finds it running', async () => {
      await fabric.start(id);
      await fabric.start(id);
      const { pid } = await until('running', ({ state }) => state === 'running');
      fabric = await make(path.join(place, 'm'));
      expect(await fabric.list()).toMatchObject([{ operationId: id, state: 'running', ...(pid !== undefined && { pid }) }]);
      const screen = await fabric.console(id);
      (await screen.open()).destroy();
    });

    it('copies its disks while the source comes and goes, and reads nothing twice', async () => {
      source.away = true;
      const seen: number[] = [];
      const hydrating = fabric.hydrate(id, { onProgress: (done) => seen.push(done) });
      await until('waiting', () => source.failures > 0);
      expect(await fabric.status(id)).toMatchObject({ disks: [{ hydrated: false }] });
      source.away = false;
      await hydrating;
      expect(seen.at(-1)).toBe(SIZE);
      expect(await fabric.status(id)).toMatchObject({ disks: [{ id: 'disk', hydrated: true }] });
      const { reads } = source;
      await fabric.hydrate(id);
      expect(source.reads).toBe(reads);
    });

    it('switches it off, and on again without its source', async () => {
      await server.close();
      expect(await fabric.stop(id, { how: 'power cut' })).toBe('power cut');
      expect(await fabric.status(id)).toMatchObject({ state: 'off' });
      await fabric.stop(id);
      await fabric.start(id);
      await until('running', ({ state }) => state === 'running');
    });

    it('leaves nothing of it', async () => {
      const { pid } = (await fabric.status(id))!;
      await fabric.remove(id);
      expect(await fabric.list()).toEqual([]);
      expect(await fabric.status(id)).toBeUndefined();
      // Gone for good, once whoever started it has waited for it.
      for (const end = performance.now() + PATIENCE_MILLISECONDS; pid !== undefined && isThere(pid); await sleep(20))
        expect(performance.now()).toBeLessThan(end);
      await fabric.remove(id);
    });

    it('runs one of an image as it is, shows its screen, and leaves the image when the machine goes', async () => {
      const image = path.join(place, 'image.raw');
      const content = randomBytes(MIB);
      await writeFile(image, content);
      const source = { kind: 'file', path: image, format: 'raw' } as const;
      const disks = [{ id: 'image', size: MIB, controller: 'virtio', source }] as const;
      await fabric.create({ ...request, name: 'imaged', shape: { ...request.shape, disks } });
      await fabric.start(id);
      expect(await fabric.status(id)).toMatchObject({ name: 'imaged', disks: [{ id: 'image', hydrated: true, size: MIB }] });
      // Nothing is paused, so there is nothing to let go on.
      await fabric.resume(id);
      const screen = path.join(place, 'screen.png');
      await fabric.screenshot(id, screen);
      expect((await readFile(screen)).subarray(1, 4).toString('latin1')).toBe('PNG');
      await fabric.remove(id);
      expect([await fabric.list(), (await readFile(image)).equals(content)]).toEqual([[], true]);
      await expect(fabric.screenshot(id, screen)).rejects.toMatchObject({ code: 'RESOURCE_NOT_FOUND' });
    });
  });
};
export { madeSuperblock } from './adapt/testing/superblock.ts';
