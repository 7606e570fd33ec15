import { randomBytes } from 'node:crypto';
import { copyFile, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createQemuFabric, type MachineShape } from '@holdfast/fabric';
import { createMiniImage, MINI_MARKER } from '../../mini-image/index.ts';
import { runningCommand } from '../../recovery/command-process.ts';
import type { MiniVault } from '../../recovery/make-vault.ts';
import type { Side } from '../measure.ts';

const PATIENCE_MILLISECONDS = 240_000;
/** As the machine in the vault, so that both sides run the same one. */
export const MEMORY_BYTES = 256 * 2 ** 20;

const untilMarker = async (log: string): Promise<void> => {
  for (const end = performance.now() + PATIENCE_MILLISECONDS; ; await sleep(20)) {
    const printed = await readFile(log, 'latin1').catch(() => '');
    const found = MINI_MARKER.exec(printed);
    if (found?.groups?.['payload'] === 'good') return;
    if (found !== null) throw new Error(`the machine started wrong: ${found[0]}`);
    if (performance.now() > end) throw new Error(`no marker on the console: ${printed.slice(-500)}`);
  }
};

/** Seconds from the command `holdfast recover boot` to the marker on the console; a bare directory each time. */
export const fromVault = (name: string, { url, keyFile }: MiniVault, directory: string): Side => ({
  name,
  run: async () => {
    const place = path.join(directory, 'r');
    const begun = performance.now();
    const command = runningCommand('recover', 'boot', '--vault', url, '--key-file', keyFile, '--directory', place, '--output', 'json');
    const { operation, consoleLog } = JSON.parse((await command.written(/^\{[\s\S]*\n\}\n/))[0]) as Record<string, string>;
    await untilMarker(consoleLog!);
    const value = (performance.now() - begun) / 1000;
    const fabric = createQemuFabric({ directory: path.join(place, 'machines') });
    await fabric.remove(operation!);
    command.process.kill('SIGINT');
    await command.ended;
    await runningCommand('recover', 'discard', '--directory', place, '--vault', url, '--key-file', keyFile).ended;
    await rm(place, { recursive: true, force: true });
    return { value };
  },
});

/** Seconds from the start of QEMU on a local raw file with the same content to the marker. */
export const fromFile = (directory: string): Side => ({
  name: 'QEMU on a local raw file',
  run: async () => {
    const { path: image, size } = await createMiniImage();
    const file = path.join(directory, 'local.raw');
    await copyFile(image, file);
    const fabric = createQemuFabric({ directory: path.join(directory, 'l') });
    const operationId = randomBytes(16).toString('hex');
    const shape: MachineShape = {
      cpus: 1,
      memoryBytes: MEMORY_BYTES,
      firmware: 'bios',
      disks: [{ id: 'sda', size, controller: 'virtio', source: { kind: 'file', path: file, format: 'raw' } }],
      networks: [{ model: 'virtio', attachment: { kind: 'isolated' } }],
    };
    await fabric.create({ operationId, name: 'local', shape });
    try {
      const begun = performance.now();
      await fabric.start(operationId);
      await untilMarker((await fabric.console(operationId)).log);
      return { value: (performance.now() - begun) / 1000 };
    } finally {
      await fabric.remove(operationId);
    }
  },
});
