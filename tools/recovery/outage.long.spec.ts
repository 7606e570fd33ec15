import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HoldfastError } from '@holdfast/errors';
import { createQemuFabric, recoverMachine } from '@holdfast/fabric';
import { openStore } from '@holdfast/object-store';
import { createVault, openVault, writeKeyFile } from '@holdfast/vault';
import { type Azurite, startAzurite } from '../azurite/index.ts';
import { createMiniImage, MINI_MARKER, MINI_PASSWORD, MINI_TOOLS } from '../mini-image/index.ts';
import { openSession } from './console-session.ts';
import { addMachineOfImages } from './vault-of-images.ts';

/** Ten minutes, as the specification says; shorter by hand. */
const OUTAGE_SECONDS = Number(process.env['HOLDFAST_OUTAGE_SECONDS'] ?? 600);
const PATIENCE = 300_000;
/** More than a view keeps in memory, so that the machine needs the vault again and again. */
const DATA_BYTES = 160 * 2 ** 20;

describe.unless(lacks('qemu-system-x86_64', 'qemu-img', ...MINI_TOOLS), 'a store that is away', () => {
  let directory: string;
  let azurite: Azurite;
  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'hf-outage-'));
    await mkdir(path.join(directory, 'blobs'));
    azurite = await startAzurite({ folder: path.join(directory, 'blobs') });
  });
  afterAll(async () => {
    process.kill(azurite.pid, 'SIGCONT');
    await azurite.stop();
    await rm(directory, { recursive: true, force: true });
  });

  // Linux gives up on the commands of SCSI after 30 s of its own time, on those of virtio never.
  it.each(['virtio', 'scsi'] as const)(
    'pauses a machine on %s under load and lets it go on, and nothing inside has seen an error',
    async (controller) => {
      const { path: image } = await createMiniImage();
      const data = randomBytes(DATA_BYTES);
      await writeFile(path.join(directory, 'data.raw'), data);
      const expected = createHash('sha256').update(data).digest('hex');
      const url = await azurite.createContainer(`outage-${controller}`);
      const environment = { AZURE_STORAGE_KEY: azurite.key };
      const key = await writeKeyFile(path.join(directory, `key-${controller}`));
      const writing = await createVault(await openStore(url, { environment }), { name: 'outage', keys: [key] });
      const disks = [
        { name: 'sda', path: image },
        { name: 'sdb', path: path.join(directory, 'data.raw') },
      ];
      const { machineId, pointId } = await addMachineOfImages(writing, { name: 'busy', disks });
      await writing.close();

      const vault = await openVault(await openStore(url, { environment }), key);
      const fabric = createQemuFabric({ directory: path.join(directory, `m-${controller}`) });
      const troubles: HoldfastError[] = [];
      const operationId = randomBytes(16).toString('hex');
      const about = { vault, machineId, pointId, fabric, operationId, directory: path.join(directory, 'r') };
      const machine = await recoverMachine({
        ...about,
        network: { kind: 'none' },
        hardware: { controller },
        onTrouble: (error) => troubles.push(error),
      });
      try {
        const console = openSession(await (await machine.console()).open());
        await console.expect(MINI_MARKER, PATIENCE);
        await console.logIn(MINI_PASSWORD, PATIENCE);
        // Found by its size: SCSI disks are named in the order in which they answer.
        const find = `grep -lx ${DATA_BYTES / 512} /sys/block/*/size | cut -d/ -f4`;
        const disk = (await console.run(find, PATIENCE)).output.trim();
        expect(disk).toMatch(/^(vd|sd)[ab]$/);
        const load = `while :; do sha256sum /dev/${disk} >>/run/sums; date >>/written; sync; echo 3 >/proc/sys/vm/drop_caches; done`;
        await console.run(`(${load}) >/dev/null 2>&1 & true`, PATIENCE);
        const sums = async (): Promise<string[]> => (await console.run('cat /run/sums', PATIENCE)).output.match(/^[0-9a-f]{64}/gm) ?? [];
        while ((await sums()).length === 0) await sleep(1000);

        process.kill(azurite.pid, 'SIGSTOP');
        const paused = async (): Promise<boolean> => (await machine.status()).machine.pause === 'io';
        for (const end = performance.now() + PATIENCE; !(await paused()); await sleep(100)) expect(performance.now()).toBeLessThan(end);
        await sleep(OUTAGE_SECONDS * 1000);
        expect(troubles).toMatchObject([{ code: 'STORE_UNAVAILABLE' }]);
        process.kill(azurite.pid, 'SIGCONT');

        for (const end = performance.now() + PATIENCE; (await sums()).length < 3; await sleep(1000))
          expect(performance.now()).toBeLessThan(end);
        expect(new Set(await sums())).toEqual(new Set([expected]));
        const errors = await console.run("dmesg | grep -ciE 'i/o error|ext4-fs error|blocked for more|remount|timed out|abort'", PATIENCE);
        expect(errors.output.trim()).toBe('0');
        expect((await machine.status()).trouble).toBeUndefined();
        expect(await readFile((await machine.console()).log, 'utf8')).not.toContain('Buffer I/O error');
      } finally {
        process.kill(azurite.pid, 'SIGCONT');
        await machine.discard();
        await vault.close();
      }
    },
    PATIENCE * 4 + OUTAGE_SECONDS * 1000,
  );
});
