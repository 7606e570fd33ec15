import { createHash } from 'node:crypto';
import { newId } from '@holdfast/protocol';
import { TestRemoteKey } from '../testing/remote-key.ts';
import { createKeySlot, describeKeySlot, openKeySlot } from './key-slot.ts';
import { explainCost, type ScryptCost } from './scrypt-cost.ts';
import type { RemoteKey } from './vault-key.ts';

const vaultId = newId();
const root = { generation: 1, key: Buffer.alloc(32, 42) };

/** A slot whose cost an attacker changed, checksum and all. */
const withCost = (slot: Buffer, { logN, r, p }: ScryptCost): Buffer => {
  const bytes = Buffer.from(slot);
  bytes.writeUInt8(logN, 80);
  bytes.writeUInt32LE(r, 84);
  bytes.writeUInt32LE(p, 88);
  createHash('sha256').update(bytes.subarray(0, 176)).digest().copy(bytes, 176);
  return bytes;
};

describe('key slot', () => {
  it('wraps the root key so that no two slots are alike', async () => {
    const key = { kind: 'key-file', secret: Buffer.alloc(32, 1) } as const;
    const [a, b] = [await createKeySlot(vaultId, root, key), await createKeySlot(vaultId, root, key)];
    expect(a.bytes.subarray(48)).not.toEqual(b.bytes.subarray(48));
    for (const { bytes } of [a, b]) expect(await openKeySlot(vaultId, bytes, key, 'slot')).toEqual(root);
    expect(await openKeySlot(vaultId, a.bytes, { kind: 'key-file', secret: Buffer.alloc(32, 2) }, 'slot')).toBeUndefined();
    expect(await openKeySlot(vaultId, a.bytes, { kind: 'passphrase', passphrase: 'x' }, 'slot')).toBeUndefined();
    await expect(openKeySlot(newId(), a.bytes, key, 'slot')).rejects.toMatchObject({ code: 'DAMAGED' });
  });

  it('keeps the cost of a passphrase between floor and ceiling, writing and reading', async () => {
    const key = { kind: 'passphrase', passphrase: 'x', cost: { logN: 14, r: 8, p: 1 } } as const;
    const { bytes } = await createKeySlot(vaultId, root, key);
    expect(await openKeySlot(vaultId, bytes, key, 'slot')).toEqual(root);
    const bad: ScryptCost[] = [
      { logN: 13, r: 8, p: 1 },
      { logN: 30, r: 8, p: 1 },
      { logN: 14, r: 7, p: 1 },
      { logN: 14, r: 1 << 20, p: 1 },
      { logN: 14, r: 8, p: 0 },
      { logN: 14, r: 8, p: 1 << 20 },
      { logN: 20, r: 16, p: 1 },
    ];
    for (const cost of bad) {
      await expect(createKeySlot(vaultId, root, { ...key, cost })).rejects.toMatchObject({ code: 'SETTING_INVALID' });
      await expect(openKeySlot(vaultId, withCost(bytes, cost), key, 'slot')).rejects.toMatchObject({
        code: 'DAMAGED',
        why: expect.stringContaining('cost'),
      });
    }
    // Another cost that is allowed is just another key.
    expect(await openKeySlot(vaultId, withCost(bytes, { logN: 15, r: 8, p: 1 }), key, 'slot')).toBeUndefined();
  });

  it('of a key that stays with a service says which one it is, and cannot be made to say another', async () => {
    const key = new TestRemoteKey('https://a.vault.azure.net/keys/one');
    const { bytes } = await createKeySlot(vaultId, root, { kind: 'key-vault', key });
    expect(bytes.length).toBeGreaterThan(208 + 256);
    expect(describeKeySlot(vaultId, bytes, 'slot')).toEqual({ kind: 'key-vault', keyId: key.id, keyVersion: 'v1', generation: 1 });
    expect(await openKeySlot(vaultId, bytes, { kind: 'key-vault', key }, 'slot')).toEqual(root);
    // The same key under another name, and the slot rewritten to fit it, checksum and all.
    const renamed: RemoteKey = {
      id: key.id.replace('one', 'two'),
      wrap: (secret) => key.wrap(secret),
      unwrap: (by, wrapped) => key.unwrap(by, wrapped),
    };
    const forged = Buffer.from(bytes.toString('latin1').replace('keys/one', 'keys/two'), 'latin1');
    createHash('sha256')
      .update(forged.subarray(0, -32))
      .digest()
      .copy(forged, forged.length - 32);
    expect(await openKeySlot(vaultId, forged, { kind: 'key-vault', key }, 'slot')).toBeUndefined();
    await expect(openKeySlot(vaultId, forged, { kind: 'key-vault', key: renamed }, 'slot')).rejects.toMatchObject({
      code: 'DAMAGED',
      why: expect.stringContaining('authentication'),
    });
  });

  it('names the bound that a cost is beyond', () => {
    const why = (cost: Partial<ScryptCost>): string | undefined => explainCost({ logN: 17, r: 8, p: 1, ...cost });
    expect(why({})).toBeUndefined();
    expect(why({ logN: 10 })).toMatch(/log2 of N = 10 is too weak/);
    expect(why({ logN: 40 })).toMatch(/log2 of N = 40 is more than any honest vault asks for/);
    expect(why({ p: 1000 })).toMatch(/cost p = 1000 .*\(1 to 16\)/);
    expect(why({ logN: 20, r: 16 })).toMatch(/takes 2048 MiB of memory \(at most 1024\)/);
  });
});
