import type { JsonGeneralName } from '@peculiar/x509';
import fc from 'fast-check';
import { type Certified, createTestAuthority, type Flaws, type TestAuthority } from '../conformance/test-authority.ts';
import { newId } from '../id.ts';
import { identityUri } from './identity.ts';
import { readPeer, requirePeer } from './peer.ts';

const agent = { role: 'agent', id: newId() } as const;
const uri = (value: string): JsonGeneralName => ({ type: 'url', value });
const dns = (value: string): JsonGeneralName => ({ type: 'dns', value });

let authority: TestAuthority;
let good: Certified;
beforeAll(async () => {
  authority = await createTestAuthority();
  good = await authority.issue(agent);
});

describe('readPeer', () => {
  it('reads identity, serial and end of a certificate', () => {
    const peer = readPeer(good.der);
    expect(peer).toMatchObject({ identity: agent, serial: good.serial, certificate: good.der });
    expect(Math.abs(peer.notAfter - Date.now() - 3_600_000)).toBeLessThan(60_000);
  });

  it('lets names of hosts and addresses stand beside the URI', async () => {
    const names = [dns('gateway.example'), uri(identityUri(agent)), { type: 'ip', value: '10.0.0.1' } as const];
    const { der } = await authority.issue(agent, { names });
    expect(readPeer(der).identity).toEqual(agent);
  });

  const other = newId();
  it.each<[string, Flaws]>([
    ['no URI', { names: [dns('a.example')] }],
    ['two URIs', { names: [uri(identityUri(agent)), uri(identityUri({ role: 'process-server', id: other }))] }],
    ['the same URI twice', { names: [uri(identityUri(agent)), uri(identityUri(agent))] }],
    ['a URI of no role', { names: [uri(`holdfast:root/${agent.id}`)] }],
    ['a URI with more behind it', { names: [uri(`${identityUri(agent)}/x`)] }],
    ['a host name that pretends to be a URI', { names: [dns(`a, URI:${identityUri(agent)}`)] }],
    ['a host name that pretends to be three names', { names: [dns(`a, URI:${identityUri(agent)}, DNS:b`)] }],
    ['a host name that ends its quotes', { names: [dns(`a", URI:${identityUri(agent)}`)] }],
    ['a host name of several lines', { names: [dns(`a\nURI:${identityUri(agent)}`)] }],
    ['another id in the subject', { subject: `CN=${other},OU=agent` }],
    ['another role in the subject', { subject: `CN=${agent.id},OU=process-server` }],
    ['no role in the subject', { subject: `CN=${agent.id}` }],
    ['no id in the subject', { subject: 'OU=agent' }],
    ['two ids in the subject', { subject: `CN=${agent.id},CN=${other},OU=agent` }],
    ['two roles in the subject', { subject: `CN=${agent.id},OU=agent,OU=process-server` }],
    ['id and role in one attribute set', { subject: `CN=${agent.id}+OU=agent` }],
    ['an id with a line break', { subject: `CN=${agent.id}\\0AOU=agent` }],
    ['a role that differs by a blank', { subject: `CN=${agent.id},OU=agent\\ ` }],
  ])('refuses %s', async (_what, flaws) => {
    const { der } = await authority.issue(agent, flaws);
    expect(() => readPeer(der)).toThrow(/IDENTITY_MISMATCH/);
  });

  it('refuses one that is too large, without reading it', async () => {
    const names = [uri(identityUri(agent)), ...Array.from({ length: 600 }, (_, i) => dns(`host-number-${i}.example.internal`))];
    const { der } = await authority.issue(agent, { names });
    expect(() => readPeer(der)).toThrow(/IDENTITY_MISMATCH.*more than 16384/);
  });

  it('answers any bytes with IDENTITY_MISMATCH or, where only the key or signature changed, with the same identity', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), fc.option(fc.nat(), { nil: undefined }), (position, flip, cut) => {
        const bytes = Uint8Array.from(good.der);
        bytes[position % bytes.length]! ^= flip;
        const damaged = cut === undefined ? bytes : bytes.subarray(0, cut % bytes.length);
        try {
          expect(readPeer(damaged).identity).toEqual(agent);
        } catch (error) {
          expect(String(error)).toContain('IDENTITY_MISMATCH');
        }
      }),
      { numRuns: 500 },
    );
    expect(() => readPeer(new Uint8Array())).toThrow(/IDENTITY_MISMATCH/);
  });
});

describe('requirePeer', () => {
  it('accepts role and id, or the role alone', () => {
    const peer = readPeer(good.der);
    requirePeer(peer, agent, 'x');
    requirePeer(peer, { role: 'agent' }, 'x');
  });

  it('names both identities when they differ', () => {
    const peer = readPeer(good.der);
    expect(() => requirePeer(peer, { role: 'process-server' }, 'server gateway')).toThrow(
      `[IDENTITY_MISMATCH] server gateway: it is holdfast:agent/${agent.id}, not a process-server`,
    );
    const id = newId();
    expect(() => requirePeer(peer, { role: 'agent', id }, 'x')).toThrow(`not holdfast:agent/${id}`);
  });
});
