// Makes a vault of a machine with a random history, kept by keepers now and then, and what must come out of it: for readers that are not this program.
// `node --conditions=@holdfast/source packages/vault/src/testing/make-random.ts FOLDER SEED`; the same seed gives the same history.
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { createFolderStore } from '@holdfast/object-store';
import { keepMachine } from '../keep-machine.ts';
import { openLogWriter } from '../log-writer.ts';
import { registerMachine } from '../machine.ts';
import { readMachine } from '../read-machine.ts';
import { createVault } from '../vault.ts';
import { describeVault } from './expected-vault.ts';
import { settled } from './fast-clock.ts';
import { epochOf, type MadeCut, type SimulatedDisk, SimulatedSource } from './simulated-source.ts';

const BLOCK = 4096;
const STEPS = 120;

const [folder, seed] = process.argv.slice(2);
if (folder === undefined || seed === undefined) throw new Error('say where the vault goes, and a seed');

let draws = 0;
/** 0 … below - 1 */
const random = (below: number): number => {
  draws += 1;
  return createHash('sha256').update(`${seed} ${draws}`).digest().readUInt32LE() % below;
};

const keyFile = { kind: 'key-file', secret: createHash('sha256').update(seed).digest() } as const;
const vault = await createVault(createFolderStore(resolve(folder, 'vault')), { name: `random ${seed}`, keys: [keyFile] });
const source = new SimulatedSource([20 * BLOCK, 50_000]);
await registerMachine(vault, { id: source.machineId, name: 'random' });

const cuts: MadeCut[] = [];
let writer = await openLogWriter(vault, source.machineId, { segmentSize: 16_384, checkpoint: { slots: 3 } });

const change = (disk: SimulatedDisk): void => {
  const block = random(Math.ceil(disk.content.length / BLOCK));
  const offset = block * BLOCK;
  const length = Math.min((1 + random(6)) * BLOCK, disk.content.length - offset);
  const kind = random(8);
  if (kind < 2) source.change(disk, { offset, length, kind: kind === 0 ? 'zero' : 'unreadable' });
  else source.write(disk, block, length / BLOCK, random(255) + 1);
};

const cut = async (): Promise<void> => {
  const made = await source.cut({ packing: { extentsPerFrame: 1 + random(4), codec: (['raw', 'lz4', 'zstd'] as const)[random(3)]! } });
  await writer.append(made.content);
  cuts.push(made);
  await settled();
};

const resynchronize = (disk: SimulatedDisk): void => {
  // What is older may be thinned.
  const parent = cuts.at(-1 - random(3));
  if (parent === undefined) return;
  const base = parent.expected.get(disk.id)!;
  // As after a failover: the disk is what it was, and what was written since shows nowhere.
  if (random(2) === 0) Object.assign(disk, { content: Buffer.from(base.content), unreadable: new Set(base.unreadable) });
  source.startGeneration(disk, epochOf(parent, disk), base);
};

const keep = async (): Promise<void> => {
  await writer.close();
  await keepMachine(vault, source.machineId, {
    policy: { rules: [], atLeast: 3 + random(4) },
    thinAtOnce: 1,
    minCuts: 1,
    unitFrames: 1 + random(8),
    limits: { size: 16_384, entries: 16 },
    grace: 0,
  });
  writer = await openLogWriter(vault, source.machineId, { segmentSize: 16_384, checkpoint: { slots: 3 } });
};

for (let step = 0; step < STEPS; step += 1) {
  const disk = source.disks[random(2)]!;
  const chosen = random(20);
  if (chosen < 8) change(disk);
  else if (chosen < 15) await cut();
  else if (chosen < 17) source.resize(disk, 1 + random(90_000));
  else if (chosen < 19) resynchronize(disk);
  else await keep();
}
await cut();
await writer.close();

const history = await readMachine(vault, source.machineId);
const told = new Set(history.points.map(({ id }) => id));
const machine = { id: source.machineId, name: 'random', head: history.head, cuts: cuts.filter(({ pointId }) => told.has(pointId!)) };
const note = `Made by src/testing/make-random.ts with seed ${seed}.`;
await writeFile(
  resolve(folder, 'expected.json'),
  describeVault({ note, keyFile: keyFile.secret, passphrase: '', vault, machines: [machine] }),
);
process.exit(0);
