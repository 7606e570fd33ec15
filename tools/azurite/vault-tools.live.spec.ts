import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  createFolderStore,
  createMemoryStore,
  inspectAzureContainer,
  type ObjectStore,
  openStore,
  validateStore,
} from '@holdfast/object-store';
import { ScriptedSource, verifyCuts } from '@holdfast/process-server/conformance';
import { copyVault, createVault, keepMachine, openLogWriter, openVault, registerMachine, scrubMachine } from '@holdfast/vault';
import { type Azurite, startAzurite } from './azurite.ts';

const KEY = { kind: 'key-file', secret: Buffer.alloc(32, 5) } as const;

let azurite: Azurite;
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-vault-tools-'));
  azurite = await startAzurite({ folder: directory });
});
afterAll(async () => {
  await azurite.stop();
  await rm(directory, { recursive: true });
});

const environment = (): Record<string, string> => ({ AZURE_STORAGE_KEY: azurite.key });

describe('the tools of a vault on Azurite', () => {
  it('copy from a folder into a container and back, keep and scrub there', async () => {
    const folder = await createFolderStore(path.join(directory, 'vault'));
    const vault = await createVault(folder, { name: 'seed', keys: [KEY] });
    const source = new ScriptedSource({ size: 1024 * 1024, interval: 10_800 });
    await registerMachine(vault, { id: source.machineId, name: 'db1' });
    const writer = await openLogWriter(vault, source.machineId, { checkpoint: { slots: 4 } });
    const cuts = [];
    for (let n = 0; n < 16; n += 1) {
      source.scribble(4);
      const cut = await source.cut();
      cuts.push(cut);
      await writer.append(cut.content);
    }
    await writer.close();

    const target: ObjectStore = await openStore(await azurite.createContainer('copy'), { environment: environment() });
    expect(await copyVault(vault, target)).toMatchObject({ machines: [{ points: 16 }] });
    const there = await openVault(target, KEY);
    expect(await verifyCuts(there, source.machineId, source.diskId, cuts.slice(-3))).toBeUndefined();
    const kept = await keepMachine(there, source.machineId, { policy: { rules: [], atLeast: 9 }, thinAtOnce: 1, minCuts: 1 });
    expect(kept.compactions).toBeGreaterThan(0);
    expect(kept.thinned).toBeGreaterThan(4);
    expect(await scrubMachine(there, source.machineId)).toMatchObject({ complete: true, findings: [] });
    const back = createMemoryStore();
    await copyVault(there, back);
    const home = await openVault(back, KEY);
    const left = cuts.slice(-3);
    expect(await verifyCuts(home, source.machineId, source.diskId, left)).toBeUndefined();
    await there.close();
    await vault.close();
  });

  it('find that a vault can be there, and what the account is set to', async () => {
    const url = await azurite.createContainer('validate');
    const store = await openStore(url, { environment: environment() });
    const checks = await validateStore(store);
    expect(checks.filter(({ outcome }) => outcome !== 'good')).toEqual([]);
    const told = await inspectAzureContainer({ url, credential: { kind: 'key', key: azurite.key } });
    const named = new Map(told.map(({ name, outcome, detail }) => [name, `${outcome}: ${detail}`]));
    expect([...named.keys()].sort()).toEqual(['account', 'immutability', 'soft delete', 'tier', 'versioning']);
    expect(named.get('tier')).toContain('good: Hot');
    expect(named.get('soft delete')).toContain('off');
    expect(named.get('versioning')).toContain('off');
    for await (const { name } of store.list('')) throw new Error(`${name} was left`);
    await store.close();
  });
});
