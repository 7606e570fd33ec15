import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ContainerClient } from '@azure/storage-blob';
import type { HoldfastError } from '@holdfast/errors';
import { createAzureStore, createKeyVaultKey, type ObjectStore, openStore } from '@holdfast/object-store';
import {
  createServerSite,
  type ScriptedCut,
  ScriptedSource,
  type ServerSite,
  startScriptedAgent,
  verifyCuts,
} from '@holdfast/process-server/conformance';
import {
  addHolder,
  holdMachine,
  keepMachine,
  listHolders,
  openLogWriter,
  openVault,
  readKeyFile,
  readMachine,
  registerMachine,
  type Vault,
} from '@holdfast/vault';
import { createCertificate } from '../azurite/certificate.ts';
import { type Azurite, signSas, startAzurite } from '../azurite/index.ts';
import { type FakeKeyVault, startKeyVault } from '../key-vault/index.ts';

const MAIN = path.join(__dirname, '../../packages/process-server/src/main.ts');
const HOLDFAST = path.join(__dirname, '../../packages/cli/src/main.ts');
/** The rights of docs/operations.md. */
const [APPEND, READ, MAINTAIN] = ['rcl', 'rl', 'rcdl'];

let directory: string;
let azurite: Azurite;
let keyVault: FakeKeyVault;
let site: ServerSite;
let url: string;
let source: ScriptedSource;
const cuts: ScriptedCut[] = [];
const opened: Vault[] = [];

const sas = (rights: string): string => signSas(azurite, 'vault', rights);
const storeWith = (rights: string): ObjectStore => createAzureStore({ url, credential: { kind: 'sas', sas: sas(rights) } });
const vaultWith = async (rights: string): Promise<Vault> => {
  const vault = await openVault(storeWith(rights), await readKeyFile(path.join(directory, 'vault.key')));
  opened.push(vault);
  return vault;
};
const refusal = (answer: Promise<unknown>): Promise<HoldfastError> =>
  answer.then(
    () => Promise.reject(new Error('it was let in')),
    (reason: HoldfastError) => reason,
  );
/** By name, and in the words of the service. */
const NO_RIGHT = { code: 'NO_PERMISSION', why: expect.stringMatching(/the service answered Authorization\w+: /) };

/** The program `holdfast` as people run it, with these rights. Resolves to what it wrote. */
const holdfast = (rights: string, ...args: string[]): Promise<{ stdout: string; stderr: string }> =>
  promisify(execFile)(process.execPath, ['--conditions=@holdfast/source', '--disable-warning=ExperimentalWarning', HOLDFAST, ...args], {
    env: { PATH: process.env['PATH'], ...keyVault.environment, AZURE_STORAGE_SAS_TOKEN: sas(rights) },
  });

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-rights-'));
  await mkdir(path.join(directory, 'azurite'));
  [azurite, keyVault] = await Promise.all([
    startAzurite({ folder: path.join(directory, 'azurite') }),
    createCertificate(directory).then(startKeyVault),
  ]);
  url = await azurite.createContainer('vault');
  await keyVault.createVersion('office');
  source = new ScriptedSource({ size: 1024 * 1024 });
  await writeFile(path.join(directory, 'sas'), sas(APPEND), { mode: 0o600 });
  site = await createServerSite({
    directory,
    main: MAIN,
    vaultUrl: url,
    // The identity of its machine unwraps, the SAS appends: it has no key file, and no account key.
    environment: { ...keyVault.environment, AZURE_STORAGE_KEY: azurite.key },
    settings: {
      'vaults.main.key-file': undefined,
      'vaults.main.key-vault': `${keyVault.url}/keys/office`,
      'vaults.main.azure-sas-file': path.join(directory, 'sas'),
      'upload.seal-interval': '20ms',
    },
  });
  const owner = await openVault(
    await openStore(url, { environment: { AZURE_STORAGE_KEY: azurite.key } }),
    await readKeyFile(path.join(directory, 'vault.key')),
  );
  opened.push(owner);
  const adder = await keyVault.grant(['get', 'wrapKey']);
  const key = createKeyVaultKey(`${keyVault.url}/keys/office`, {
    credential: { getToken: async () => ({ token: adder, expiresOnTimestamp: Date.now() + 3_600_000 }) },
    certificateAuthorities: await readFile(path.join(directory, 'certificate.pem'), 'utf8'),
  });
  await addHolder(owner, { kind: 'key-vault', key }, { label: 'process servers' });
  await keyVault.grant(['unwrapKey'], true);
});
afterAll(async () => {
  await Promise.all(opened.map((vault) => vault.close()));
  await site.close();
  await Promise.all([azurite.stop('SIGKILL'), keyVault.stop()]);
  await rm(directory, { recursive: true, force: true });
});

describe('restricted rights', () => {
  it('a process server appends with the right to read, list and create, and a key that it cannot see', async () => {
    site.assign([source.machineId]);
    await site.start();
    const certified = await site.certificate(source.machineId);
    const agent = startScriptedAgent({ machineId: source.machineId, connect: () => site.connect(certified) });
    for (let round = 0; round < 4; round += 1) {
      source.scribble(30);
      cuts.push(await source.cut());
      agent.add(cuts.at(-1)!.content);
    }
    await agent.until(() => agent.durable.size === cuts.length);
    await agent.stop();
    await site.kill('SIGTERM');
  });

  it('with the same right nobody deletes or overwrites, not even past the program', async () => {
    const { store } = await vaultWith(APPEND);
    const slot = `m/${source.machineId}/log/000000000001`;
    const before = Buffer.from(await store.read(slot));
    expect(await refusal(store.delete(slot))).toMatchObject(NO_RIGHT);
    const raw = new ContainerClient(`${url.slice('azure:'.length)}?${sas(APPEND)}`).getBlockBlobClient(slot);
    await expect(raw.upload('x', 1)).rejects.toMatchObject({ statusCode: 403 });
    await expect(raw.delete()).rejects.toMatchObject({ statusCode: 403 });
    expect(Buffer.from(await store.read(slot)).equals(before)).toBe(true);
  });

  it('who reads sees every point, and writes, holds and deletes nothing', async () => {
    const vault = await vaultWith(READ);
    expect(await verifyCuts(vault, source.machineId, source.diskId, cuts)).toBeUndefined();
    expect(await refusal(openLogWriter(vault, source.machineId))).toMatchObject(NO_RIGHT);
    expect(await refusal(registerMachine(vault, { id: 'f'.repeat(32), name: 'x' }))).toMatchObject(NO_RIGHT);
    expect(await refusal(holdMachine(vault, source.machineId, { reason: 'x' }))).toMatchObject(NO_RIGHT);
    expect(await refusal(vault.store.delete('vault'))).toMatchObject(NO_RIGHT);
    // As people do it: the key stays in the key vault.
    const { stdout } = await holdfast(READ, 'vault', 'points', '--vault', url, '--key-vault', `${keyVault.url}/keys/office`, '-o', 'json');
    expect(JSON.parse(stdout)[0].total).toBe(cuts.length);
  });

  it('who maintains compacts and deletes; without that right it says so, and nothing is broken', async () => {
    const options = { grace: 0, minCuts: 1, unitFrames: 1, policy: { rules: [], atLeast: 1 }, thinAtOnce: 1 } as const;
    // A writer sums its log up now and then; this one at once.
    const appending = await vaultWith(APPEND);
    const writer = await openLogWriter(appending, source.machineId, { checkpoint: { slots: 1, milliseconds: 600_000 } });
    source.scribble(30);
    cuts.push(await source.cut());
    await writer.append(cuts.at(-1)!.content);
    while ((await readMachine(appending, source.machineId)).catalogue === undefined) await sleep(50);
    await writer.close();
    expect(await refusal(keepMachine(appending, source.machineId, options))).toMatchObject(NO_RIGHT);
    const keeper = await vaultWith(MAINTAIN);
    const { deleted } = await keepMachine(keeper, source.machineId, options);
    expect(deleted).toBeGreaterThan(0);
    const { points, damage } = await readMachine(await vaultWith(READ), source.machineId);
    expect(damage).toEqual([]);
    expect(points.at(-1)!.id).toBe(cuts.at(-1)!.pointId);
    expect(await verifyCuts(keeper, source.machineId, source.diskId, cuts.slice(-points.length))).toBeUndefined();
  });

  it('holders are changed with the command, and who was taken back is refused by the next command', async () => {
    const by = ['--vault', url, '--key-file', path.join(directory, 'vault.key')];
    const denied = await refusal(holdfast(APPEND, 'vault', 'key', 'remove', 'process servers', ...by));
    expect(denied).toMatchObject({ code: 3, stderr: expect.stringContaining('[NO_PERMISSION]') });
    const refused = holdfast(READ, 'vault', 'points', '--vault', url, '--key-vault', `${keyVault.url}/keys/office`);
    // What the list of holders says counts, whether the slot could be deleted or not.
    expect(await refusal(refused)).toMatchObject({ code: 3, stderr: expect.stringMatching(/\[VAULT_KEY_WRONG\].*taken back/) });
    await holdfast(MAINTAIN, 'vault', 'key', 'rotate', ...by);
    const vault = await vaultWith(READ);
    expect((await listHolders(vault)).map(({ kind, state }) => [kind, state])).toEqual([['key-file', 'holder']]);
    expect(await vault.keys.newestEpoch(source.machineId)).toBe(2);
  });
});
