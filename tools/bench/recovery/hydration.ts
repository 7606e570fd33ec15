import { randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { createQemuFabric, recoverMachine } from '@holdfast/fabric';
import { openStore } from '@holdfast/object-store';
import { createVault, writeKeyFile } from '@holdfast/vault';
import { addMachineOfImages } from '../../recovery/vault-of-images.ts';
import type { BenchContext } from '../bench.ts';
import { createRow, type Row } from '../row.ts';

const MEBIBYTES = 512;
const CHUNK = 2 ** 20;

/** Half of it random, half of it as compressible as text. */
const fill = async (file: string): Promise<void> => {
  await using handle = await open(file, 'wx');
  for (let at = 0; at < MEBIBYTES; at += 1)
    await handle.write(at % 2 === 0 ? randomBytes(CHUNK) : Buffer.alloc(CHUNK, `line ${at} of a log\n`));
};

/** Bytes a second that come out of a vault in a folder into a machine that is switched off. */
export const measureHydration = async ({ directory, pairs, note }: BenchContext): Promise<Row> => {
  const image = path.join(directory, 'data.raw');
  await fill(image);
  const url = `file:${path.join(directory, 'data-vault')}`;
  const vault = await createVault(await openStore(url), { name: 'data', keys: [await writeKeyFile(path.join(directory, 'data.key'))] });
  const { machineId, pointId } = await addMachineOfImages(vault, { name: 'data', disks: [{ name: 'sda', path: image }] });
  const fabric = createQemuFabric({ directory: path.join(directory, 'h') });
  const rates: number[] = [];
  for (let turn = 0; turn < pairs; turn += 1) {
    note(`hydration, ${turn + 1} of ${pairs}`);
    const operationId = randomBytes(16).toString('hex');
    const about = { vault, machineId, pointId, fabric, operationId, directory: path.join(directory, 'hr'), start: false };
    const machine = await recoverMachine({ ...about, network: { kind: 'none' } });
    const begun = performance.now();
    await machine.hydrate();
    rates.push((MEBIBYTES * 2 ** 20) / 1e6 / ((performance.now() - begun) / 1000));
    await machine.discard();
  }
  await vault.close();
  return createRow({ measure: `hydration of ${MEBIBYTES} MiB out of a folder`, unit: 'MB/s' }, rates, undefined);
};
