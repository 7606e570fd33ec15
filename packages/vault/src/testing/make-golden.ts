// Makes a golden vault: `node --conditions=@holdfast/source packages/vault/src/testing/make-golden.ts FOLDER`. The ones in fixtures/ stay as they are
// for ever, since vaults like them exist; a new release of the format gets a new folder.
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { createFolderStore, withFaults } from '@holdfast/object-store';
import { idBytes, ManifestSchema, newId } from '@holdfast/protocol';
import { EMPTY_LOG } from '../head.ts';
import { holdMachine } from '../hold.ts';
import { keepMachine } from '../keep-machine.ts';
import { openLogWriter } from '../log-writer.ts';
import { registerMachine } from '../machine.ts';
import { readMachine } from '../read-machine.ts';
import { recordFailover, recordRelease } from '../takeover.ts';
import { createVault, openVault } from '../vault.ts';
import { describeVault } from './expected-vault.ts';
import { settled } from './fast-clock.ts';
import { epochOf, type MadeCut, type SimulatedDisk, SimulatedSource } from './simulated-source.ts';

const folder = process.argv[2];
if (folder === undefined) throw new Error('say where the vault goes');
const store = createFolderStore(resolve(folder, 'vault'));
const keyFile = { kind: 'key-file', secret: createHash('sha256').update('golden').digest() } as const;
const passphrase = { kind: 'passphrase', passphrase: 'goldenes Tor – é', cost: { logN: 14, r: 8, p: 1 } } as const;

const source = new SimulatedSource([40_000, 65_536]);
const [first, second] = source.disks as [SimulatedDisk, SimulatedDisk];
const vault = await createVault(store, { name: 'golden vault', keys: [keyFile, passphrase] });
await registerMachine(vault, { id: source.machineId, name: 'golden-db' });
const idle = await registerMachine(vault, { id: newId(), name: 'näh-01' });

const manifest = (name: string) =>
  create(ManifestSchema, { id: idBytes(newId()), machineId: idBytes(source.machineId), machineName: name });
const noise = (disk: SimulatedDisk, block: number, blocks: number): void => {
  for (let offset = block * 4096; offset < Math.min((block + blocks) * 4096, disk.content.length); offset += 4096) {
    const data = Buffer.alloc(Math.min(4096, disk.content.length - offset));
    for (let at = 0; at < data.length; at += 32)
      createHash('sha256')
        .update(`${disk.id} ${offset + at} ${cuts.length}`)
        .digest()
        .copy(data, at);
    source.change(disk, { offset, length: data.length, kind: 'data', data });
  }
};
const cuts: MadeCut[] = [];
const cut = async (...options: Parameters<SimulatedSource['cut']>): Promise<MadeCut> => {
  const made = await source.cut(...options);
  cuts.push(made);
  return made;
};
const raw = { extentsPerFrame: 1, codec: 'raw' } as const;

// A first copy in pieces, the second disk a piece behind.
const before = await openLogWriter(vault, source.machineId, { segmentSize: 20_000 });
source.write(first, 0, 10, 0x11);
noise(second, 0, 9);
await before.append((await cut({ open: [first, second], packing: raw })).content);
noise(first, 3, 2);
source.write(second, 8, 8, 0x22);
await before.append((await cut({ open: [second], packing: { extentsPerFrame: 4, codec: 'zstd' } })).content);
const named = manifest('golden-db');
source.change(second, { offset: 4096, length: 8192, kind: 'zero' });
const base = await cut({ manifest: named });
await before.append(base.content);
// What is ordinary: small changes, an empty epoch, something unreadable, an extent that ends with the disk.
for (let round = 0; round < 4; round += 1) {
  if (round !== 2) source.write(first, round * 2 + 1, 2, 0x30 + round);
  if (round === 3) source.change(second, { offset: 24_576, length: 12_288, kind: 'unreadable' });
  await before.append((await cut({ packing: { extentsPerFrame: 3, codec: 'lz4' } })).content);
}
// A writer that is fenced out with two slots behind a missing one: they become orphans.
const stuck = Promise.withResolvers<never>();
stuck.promise.catch(() => {});
const slots = before.head.sequence;
const throughFaults = await openVault(
  withFaults(store, ({ request, name }) =>
    request === 'create' && name.endsWith(`log/${String(slots + 2).padStart(12, '0')}`) ? { stall: stuck.promise } : undefined,
  ),
  keyFile,
);
const fenced = await openLogWriter(throughFaults, source.machineId, { segmentSize: 10_000 });
noise(second, 0, 10);
const contested = await cut({ packing: raw });
fenced.append(contested.content).catch(() => {});
for (let turn = 0; turn < 50; turn += 1) await settled();
const writer = await openLogWriter(vault, source.machineId, { segmentSize: 10_000, seenTerm: 4 });
await writer.append(contested.content);
stuck.reject(new Error('over'));
// Failed over and released; a resynchronization on top of an older point; shrunk and grown in the middle of a block.
const operationId = newId();
await recordFailover(vault, source.machineId, { operationId, pointId: base.pointId! });
await recordRelease(vault, source.machineId, { operationId });
const last = await openLogWriter(vault, source.machineId);
source.startGeneration(first, epochOf(base, first), base.expected.get(first.id)!);
source.write(first, 2, 1, 0x44);
await last.append((await cut({ open: [first] })).content);
source.resize(first, 18_000);
await last.append((await cut({ manifest: manifest('golden-db-2') })).content);
source.resize(first, 30_000);
source.write(second, 7, 1, 0x55);
await last.append((await cut()).content);

// A machine that was kept: part of its history is in runs, part was thinned, slots were deleted; a few cuts are in the log above.
const kept = new SimulatedSource([50_000, 20_480]);
const [large, small] = kept.disks as [SimulatedDisk, SimulatedDisk];
await registerMachine(vault, { id: kept.machineId, name: 'golden-kept' });
const keptCuts: MadeCut[] = [];
const append = async (...options: Parameters<SimulatedSource['cut']>): Promise<MadeCut> => {
  const made = await kept.cut(...options);
  const writer = await openLogWriter(vault, kept.machineId, { segmentSize: 12_000, checkpoint: { slots: 1 } });
  await writer.append(made.content);
  for (let turn = 0; turn < 50; turn += 1) await settled();
  await writer.close();
  keptCuts.push(made);
  return made;
};
kept.write(large, 0, 12, 0x61);
kept.write(small, 0, 5, 0x62);
const fork = await append({ packing: raw });
for (let round = 0; round < 6; round += 1) {
  kept.write(large, round, 3, 0x63 + round);
  if (round === 2) kept.change(large, { offset: 32_768, length: 4096, kind: 'unreadable' });
  if (round === 3) kept.change(small, { offset: 4096, length: 8192, kind: 'zero' });
  if (round === 4) kept.resize(small, 9000);
  if (round === 5) kept.resize(small, 18_000);
  await append();
}
kept.write(large, 8, 1, 0x70);
kept.startGeneration(large, epochOf(fork, large), fork.expected.get(large.id)!);
await append();
const keeping = {
  policy: { rules: [], atLeast: 4 },
  thinAtOnce: 1,
  minCuts: 1,
  unitFrames: 8,
  limits: { size: 15_000, entries: 12 },
  grace: 0,
};
for (let pass = 0; pass < 3; pass += 1) await keepMachine(vault, kept.machineId, keeping);
await holdMachine(vault, kept.machineId, { points: [keptCuts.at(-1)!.pointId!], reason: 'golden' });
kept.write(large, 2, 2, 0x71);
await append();
kept.write(small, 1, 1, 0x72);
await append({ packing: raw });

const history = await readMachine(vault, source.machineId);
const keptHistory = await readMachine(vault, kept.machineId);
const told = new Set(keptHistory.points.map(({ id }) => id));
const note = 'Made by src/testing/make-golden.ts. sha256 is that of the whole disk with unreadable blocks as zeroes.';
const machines = [
  { id: source.machineId, name: 'golden-db', head: history.head, cuts },
  {
    id: kept.machineId,
    name: 'golden-kept',
    head: keptHistory.head,
    cuts: keptCuts.filter(({ pointId }) => told.has(pointId!)),
  },
  { id: idle.id, name: idle.name, head: EMPTY_LOG, cuts: [] },
];
await writeFile(
  resolve(folder, 'expected.json'),
  describeVault({ note, keyFile: keyFile.secret, passphrase: passphrase.passphrase, vault, machines }),
);
process.exit(0);
