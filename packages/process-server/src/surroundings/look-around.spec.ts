import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { HoldfastError } from '@holdfast/errors';
import { createMemoryStore, forwardStore, openStore } from '@holdfast/object-store';
import { CheckResult, type Finding } from '@holdfast/protocol';
import { createVault, type Vault } from '@holdfast/vault';
import { lookAround } from './look-around.ts';

const { PASSED, WARNING, FAILED } = CheckResult;
const KEY = { kind: 'key-file', secret: Buffer.alloc(32, 7) } as const;

describe('a process server that looks around', () => {
  let directory: string;
  let office: Vault;
  let bare: Vault;
  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'holdfast-look-'));
    office = await createVault(await openStore(`file:${path.join(directory, 'vault')}`), { name: 'office', keys: [KEY] });
    bare = await createVault(createMemoryStore(), { name: 'bare', keys: [KEY] });
  });
  afterAll(() => rm(directory, { recursive: true }));

  const look = async (open: Readonly<Record<string, () => Promise<Vault>>>, quota = 4096): Promise<Finding[]> =>
    lookAround(
      { vaults: { names: Object.keys(open), open: (name) => open[name]!() }, journal: { directory, quota }, requireBridge: undefined },
      { bridges: ['br0'] },
    );
  const namesIn = async ({ store }: Vault): Promise<string[]> => {
    const names: string[] = [];
    for await (const { name } of store.list('')) names.push(name);
    return names;
  };
  const results = (findings: readonly Finding[]) => Object.fromEntries(findings.map(({ code, result }) => [code, result]));
  const readOnly = (vault: Vault, code: 'NO_PERMISSION' | 'STORE_UNAVAILABLE'): Vault => ({
    ...vault,
    store: {
      ...forwardStore(vault.store),
      create: (name) => Promise.reject(new HoldfastError(code, { thing: name, why: 'it is refused', remedy: 'ask for the right' })),
    },
  });

  it('finds nothing wrong where nothing is, and leaves nothing in the vault', async () => {
    const before = await namesIn(office);
    const findings = await look({ office: async () => office });
    expect(results(findings)).toEqual({
      'journal-space': PASSED,
      'vault-key': PASSED,
      'vault-rights': PASSED,
      'vault-space': expect.anything(),
    });
    expect(await namesIn(office)).toEqual(before);
  });

  it('looks at the bridges that are asked for, where machines are started', async () => {
    const requireBridge = async (bridge: string): Promise<void> => {
      if (bridge !== 'br0')
        throw new HoldfastError('SETTING_INVALID', { thing: `network ${bridge}`, why: 'the host has no such bridge', remedy: 'make it' });
    };
    const surroundings = { vaults: { names: [], open: () => Promise.reject(new Error('none')) }, journal: { directory, quota: 1 } };
    const asked = { bridges: ['br0', 'br7', 'isolated', '../x', ...Array.from({ length: 40 }, (_, i) => `b${i}`)] };
    const all = await lookAround({ ...surroundings, requireBridge }, asked);
    const bridges = all.filter(({ code }) => code === 'target-bridge');
    expect(bridges.slice(0, 2)).toMatchObject([
      { thing: 'br0', result: PASSED },
      { thing: 'br7', result: FAILED, text: 'network br7: the host has no such bridge', remedy: 'make it' },
    ]);
    expect(bridges.map(({ thing }) => thing)).toEqual(expect.not.arrayContaining(['isolated', '../x']));
    expect(bridges).toHaveLength(32);
    const none = await lookAround({ ...surroundings, requireBridge: undefined }, asked);
    expect(none.map(({ code }) => code)).toEqual(['journal-space']);
  });

  it('tells of a key that does not fit, and goes on with the other vaults', async () => {
    const wrong = new HoldfastError('VAULT_KEY_WRONG', { thing: 'vault', why: 'no slot opens', remedy: 'name the right key' });
    const findings = await look({ lost: () => Promise.reject(wrong), office: async () => office });
    expect(findings.filter(({ result }) => result !== PASSED)).toMatchObject([
      { code: 'vault-key', thing: 'lost', result: FAILED, text: 'vault: no slot opens', remedy: 'name the right key' },
    ]);
  });

  it('tells of a right that is missing', async () => {
    const findings = await look({ bare: async () => readOnly(bare, 'NO_PERMISSION') });
    expect(results(findings)).toMatchObject({ 'vault-rights': FAILED });
    expect(results(await look({ bare: async () => bare }))).toMatchObject({ 'vault-rights': PASSED });
  });

  it('tells of a journal without room; what it takes already counts as room', async () => {
    expect(results(await look({}, 2 ** 60))).toEqual({ 'journal-space': WARNING });
    await writeFile(path.join(directory, 'segment'), Buffer.alloc(64 * 1024));
    expect(results(await look({}))).toEqual({ 'journal-space': PASSED });
  });
});
