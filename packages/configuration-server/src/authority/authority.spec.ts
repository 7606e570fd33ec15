import { createPublicKey, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { newId, readPeer } from '@holdfast/protocol';
import { newRequest } from '../conformance/test-server.ts';
import { openAuthority } from './authority.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-authority-'));
});
afterEach(() => rm(directory, { recursive: true }));

const id = newId();

describe('the authority', () => {
  it('is the same after it was opened again, and its key is for its owner alone', async () => {
    const [first, second] = [await openAuthority(directory), await openAuthority(directory)];
    expect(second.fingerprint).toBe(first.fingerprint);
    expect(second.trusted).toEqual(first.trusted);
    expect((await stat(path.join(directory, 'authority.key'))).mode & 0o777).toBe(0o600);
    const root = new X509Certificate(first.trusted[0]!);
    expect(root.ca).toBe(true);
    expect(root.verify(root.publicKey)).toBe(true);
    expect((first.notAfter - Date.now()) / (365.25 * 24 * 3_600_000)).toBeCloseTo(10, 1);
    const other = await mkdtemp(path.join(directory, 'other-'));
    expect((await openAuthority(other)).fingerprint).not.toBe(first.fingerprint);
  });

  it('goes on with its key when it was interrupted before its certificate was written', async () => {
    const { fingerprint } = await openAuthority(directory);
    await unlink(path.join(directory, 'authority.pem'));
    expect((await openAuthority(directory)).fingerprint).toBe(fingerprint);
  });

  it('is not made anew where members believe in one that is lost, nor beside what is left of one', async () => {
    await expect(openAuthority(directory, { mayMake: false })).rejects.toMatchObject({
      code: 'DAMAGED',
      remedy: expect.stringContaining('restore'),
    });
    await openAuthority(directory);
    await openAuthority(directory, { mayMake: false });
    const other = await mkdtemp(path.join(directory, 'other-'));
    await openAuthority(other);
    const key = await readFile(path.join(directory, 'authority.key'), 'utf8');
    await unlink(path.join(directory, 'authority.key'));
    await expect(openAuthority(directory)).rejects.toMatchObject({ code: 'DAMAGED' });
    await writeFile(path.join(directory, 'authority.key'), await readFile(path.join(other, 'authority.key'), 'utf8'));
    await expect(openAuthority(directory)).rejects.toMatchObject({ code: 'DAMAGED' });
    await writeFile(path.join(directory, 'authority.key'), key);
    await openAuthority(directory);
  });

  it('names files that are damaged, and does not replace them', async () => {
    await openAuthority(directory);
    for (const file of ['authority.key', 'authority.pem']) {
      const kept = await readFile(path.join(directory, file), 'utf8');
      await writeFile(path.join(directory, file), kept.slice(0, 60));
      await expect(openAuthority(directory)).rejects.toMatchObject({ code: 'DAMAGED', thing: expect.stringContaining(directory) });
      await writeFile(path.join(directory, file), kept);
    }
    await openAuthority(directory);
  });

  it('signs what members show: identity, validity, use', async () => {
    const authority = await openAuthority(directory);
    const { der, key } = await newRequest('CN=other,OU=configuration-server');
    const { chain, serial, notAfter } = await authority.issue({ role: 'agent', id }, der, 60_000);
    const leaf = new X509Certificate(chain[0]!);
    expect(readPeer(chain[0]!)).toMatchObject({ identity: { role: 'agent', id }, serial, notAfter });
    expect(leaf.verify(new X509Certificate(authority.trusted[0]!).publicKey)).toBe(true);
    expect(leaf.publicKey.equals(createPublicKey(key))).toBe(true);
    expect(leaf.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
    expect(Math.abs(notAfter - Date.now() - 60_000)).toBeLessThan(10_000);
    const server = await authority.issue({ role: 'process-server', id }, der, 60_000);
    expect(new X509Certificate(server.chain[0]!).keyUsage).toEqual(['1.3.6.1.5.5.7.3.2', '1.3.6.1.5.5.7.3.1']);
  });

  it('gives serial numbers that are never the same and have one form', async () => {
    const authority = await openAuthority(directory);
    const { der } = await newRequest();
    const serials = await Promise.all(
      Array.from({ length: 50 }, async () => (await authority.issue({ role: 'agent', id }, der, 60_000)).serial),
    );
    expect(new Set(serials).size).toBe(50);
    for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9a-f]{31}$/);
  });

  it('outlives none of its certificates', async () => {
    const authority = await openAuthority(directory);
    const { notAfter } = await authority.issue({ role: 'agent', id }, (await newRequest()).der, 100 * 365 * 24 * 3_600_000);
    expect(notAfter).toBeLessThanOrEqual(authority.notAfter);
  });

  it('certifies this server by names and addresses', async () => {
    const authority = await openAuthority(directory);
    const own = await authority.issueOwn(id, ['cs.example.com', '192.0.2.1', '2001:db8::1'], 60_000);
    const [leaf, root] = own.certificateChain.split(/(?=-----BEGIN)/).map((text) => new X509Certificate(text));
    expect(leaf!.checkHost('cs.example.com')).toBe('cs.example.com');
    expect(leaf!.checkIP('192.0.2.1')).toBe('192.0.2.1');
    expect(leaf!.checkIP('2001:db8::1')).toBe('2001:db8::1');
    expect(leaf!.checkHost('other.example.com')).toBeUndefined();
    expect(root!.raw.equals(authority.trusted[0]!)).toBe(true);
  });
});
