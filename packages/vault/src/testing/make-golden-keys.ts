// Makes a golden vault whose keys were changed: `node --conditions=@holdfast/source packages/vault/src/testing/make-golden-keys.ts FOLDER`. Three root
// keys, six data keys of a machine, a holder of every kind, one that was taken back; runs under one key, the log above them under others.
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { createFolderStore } from '@holdfast/object-store';
import { compactMachine } from '../compact-machine.ts';
import { addHolder, removeHolder } from '../keys/holders.ts';
import { rotateKeys } from '../keys/key-epochs.ts';
import { rekeyVault } from '../keys/rekey.ts';
import { openLogWriter } from '../log-writer.ts';
import { registerMachine } from '../machine.ts';
import { readMachine } from '../read-machine.ts';
import { createVault, openVault, type Vault } from '../vault.ts';
import { describeVault } from './expected-vault.ts';
import { settled } from './fast-clock.ts';
import { TestRemoteKey } from './remote-key.ts';
import { epochOf, type MadeCut, SimulatedSource } from './simulated-source.ts';

const folder = process.argv[2];
if (folder === undefined) throw new Error('say where the vault goes');
const store = createFolderStore(resolve(folder, 'vault'));
const key = (name: string) => ({ kind: 'key-file', secret: createHash('sha256').update(name).digest() }) as const;
const keyFile = key('golden keys');
const passphrase = { kind: 'passphrase', passphrase: 'goldene Schlüssel', cost: { logN: 14, r: 8, p: 1 } } as const;
const remote = { kind: 'key-vault', key: new TestRemoteKey('https://golden.vault.azure.net/keys/golden') } as const;

const source = new SimulatedSource([40_000, 20_480]);
const cuts: MadeCut[] = [];
const append = async (vault: Vault, count: number): Promise<void> => {
  const writer = await openLogWriter(vault, source.machineId, { checkpoint: { slots: 1 } });
  for (let round = 0; round < count; round += 1) {
    for (const disk of source.disks) source.write(disk, (cuts.length + round) % 5, 2, cuts.length + 1);
    cuts.push(await source.cut());
    await writer.append(cuts.at(-1)!.content);
  }
  for (let turn = 0; turn < 50; turn += 1) await settled();
  await writer.close();
};

const first = await createVault(store, { name: 'golden keys', keys: [key('first')] });
await registerMachine(first, { id: source.machineId, name: 'golden-keys' });
await append(first, 2);
await addHolder(first, remote, { label: 'servers' });
await rotateKeys(first);
await append(first, 2);
await compactMachine(first, source.machineId, { minCuts: 1, unitFrames: 8 });
await rekeyVault(first, [{ key: key('second'), label: 'second' }, { key: remote }]);
const second = await openVault(store, key('second'));
// A generation that goes on from what lies under an older key.
const disk = source.disks[0]!;
source.startGeneration(disk, epochOf(cuts[1]!, disk), cuts[1]!.expected.get(disk.id)!);
await append(second, 2);
await rotateKeys(second);
await append(second, 1);
await rekeyVault(second, [{ key: keyFile, label: 'the key file' }, { key: passphrase, label: 'Ana – é' }, { key: remote }]);
const vault = await openVault(store, keyFile);
await rotateKeys(vault);
await removeHolder(vault, (await addHolder(vault, key('taken back'))).id);
await append(vault, 2);

const { head } = await readMachine(vault, source.machineId);
const note = 'Made by src/testing/make-golden-keys.ts. sha256 is that of the whole disk.';
const machines = [{ id: source.machineId, name: 'golden-keys', head, cuts }];
await writeFile(
  resolve(folder, 'expected.json'),
  describeVault({ note, keyFile: keyFile.secret, passphrase: passphrase.passphrase, vault, machines }),
);
process.exit(0);
