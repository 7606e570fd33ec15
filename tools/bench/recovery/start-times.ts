import { randomBytes } from 'node:crypto';
import { copyFile, readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createQemuFabric, LOGIN_PROMPT, type MachineShape, type RecoveredMachine, recoverMachine } from '@holdfast/fabric';
import { openStore } from '@holdfast/object-store';
import { openVault, readKeyFile } from '@holdfast/vault';
import { createServerImage } from '../../e2e/server-image.ts';
import { createMiniImage, MINI_MARKER } from '../../mini-image/index.ts';
import { runningCommand } from '../../recovery/command-process.ts';
import type { MiniVault } from '../../recovery/make-vault.ts';
import type { Side } from '../measure.ts';

const PATIENCE_MILLISECONDS = 900_000;

/** What is started on both sides. */
export interface Started {
  /** Raw; stays as it is. */
  readonly image: () => Promise<string>;
  /** As the machine in the vault, so that both sides run the same one. */
  readonly memoryBytes: number;
  /** Whether it is up, by what its console printed. */
  readonly isUp: (printed: string) => boolean;
}

export const MINI: Started = {
  image: async () => (await createMiniImage()).path,
  memoryBytes: 256 * 2 ** 20,
  isUp: (printed) => {
    const found = MINI_MARKER.exec(printed);
    if (found !== null && found.groups?.['payload'] !== 'good') throw new Error(`the machine started wrong: ${found[0]}`);
    return found !== null;
  },
};

/** A whole Debian with PostgreSQL, up to its login. */
export const DEBIAN: Started = {
  image: () => createServerImage('bios-ext4', { print: () => undefined }),
  memoryBytes: 1024 * 2 ** 20,
  isUp: (printed) => LOGIN_PROMPT.test(printed),
};

const untilUp = async (log: string, { isUp }: Started): Promise<void> => {
  for (const end = performance.now() + PATIENCE_MILLISECONDS; ; await sleep(20)) {
    const printed = await readFile(log, 'latin1').catch(() => '');
    if (isUp(printed)) return;
    if (performance.now() > end) throw new Error(`it did not come up: ${printed.slice(-500)}`);
  }
};

const secondsOf = async (work: () => Promise<unknown>): Promise<number> => {
  const begun = performance.now();
  await work();
  return (performance.now() - begun) / 1000;
};

/** Seconds from the command `holdfast recover boot` to what the console says when it is up; a bare directory each time. */
export const fromVault = (name: string, { url, keyFile }: MiniVault, directory: string, started: Started = MINI): Side => ({
  name,
  run: async () => {
    const place = path.join(directory, 'r');
    const begun = performance.now();
    const command = runningCommand('recover', 'boot', '--vault', url, '--key-file', keyFile, '--directory', place, '--output', 'json');
    const { operation, consoleLog } = JSON.parse((await command.written(/^\{[\s\S]*\n\}\n/))[0]) as Record<string, string>;
    await untilUp(consoleLog!, started);
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

const newId = (): string => randomBytes(16).toString('hex');

/** Seconds from the start of QEMU on local raw files with the same content, so many at once, until all are up. */
export const fromFile = (directory: string, started: Started = MINI, count = 1): Side => ({
  name: count === 1 ? 'QEMU on a local raw file' : `${count} times QEMU on a local raw file`,
  run: async () => {
    const fabric = createQemuFabric({ directory: path.join(directory, 'l') });
    const ids = Array.from({ length: count }, newId);
    const fileOf = (operationId: string): string => path.join(directory, `${operationId}.raw`);
    try {
      for (const operationId of ids) {
        await copyFile(await started.image(), fileOf(operationId));
        const { size } = await stat(fileOf(operationId));
        const shape: MachineShape = {
          cpus: 1,
          memoryBytes: started.memoryBytes,
          firmware: 'bios',
          disks: [{ id: 'sda', size, controller: 'virtio', source: { kind: 'file', path: fileOf(operationId), format: 'raw' } }],
          networks: [{ model: 'virtio', attachment: { kind: 'isolated' } }],
        };
        await fabric.create({ operationId, name: 'local', shape });
      }
      const value = await secondsOf(() =>
        Promise.all(
          ids.map(async (operationId) => {
            await fabric.start(operationId);
            await untilUp((await fabric.console(operationId)).log, started);
          }),
        ),
      );
      return { value };
    } finally {
      for (const operationId of ids) {
        await fabric.remove(operationId);
        await rm(fileOf(operationId), { force: true });
      }
    }
  },
});

/** Seconds from the order to start so many machines at once, as a group of a plan is, to the last one that is up; by one process, as a process server does it. */
export const atOnceFromVault = ({ url, keyFile, machineId, pointId }: MiniVault, directory: string, count: number): Side => ({
  name: `${count} machines out of a vault`,
  run: async () => {
    const vault = await openVault(await openStore(url), await readKeyFile(keyFile));
    const place = path.join(directory, 'o');
    const fabric = createQemuFabric({ directory: path.join(place, 'm') });
    const machines: RecoveredMachine[] = [];
    const start = async (operationId: string): Promise<void> => {
      const about = { vault, machineId, pointId, fabric, operationId, directory: path.join(place, 'r') };
      const machine = await recoverMachine({ ...about, network: { kind: 'isolated' } });
      machines.push(machine);
      await untilUp((await machine.console()).log, MINI);
    };
    try {
      return { value: await secondsOf(() => Promise.all(Array.from({ length: count }, () => start(newId())))) };
    } finally {
      for (const machine of machines) await machine.discard();
      await vault.close();
      await rm(place, { recursive: true, force: true });
    }
  },
});
