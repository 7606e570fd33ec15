import fc from 'fast-check';
import { Role } from '../gen/holdfast/v1/enrolment_pb.ts';
import { newId } from '../id.ts';
import { IDENTITY_ROLES, identitySubject, identityUri, parseIdentityUri, roleOfMessage, sameIdentity } from './identity.ts';

describe('identities', () => {
  it.each(IDENTITY_ROLES)('of role %s are read back from their URI', (role) => {
    const identity = { role, id: newId() };
    expect(parseIdentityUri(identityUri(identity))).toEqual(identity);
    expect(identitySubject(identity)).toBe(`CN=${identity.id},OU=${role}`);
  });

  it('are equal when role and id are', () => {
    const id = newId();
    expect(sameIdentity({ role: 'agent', id }, { role: 'agent', id })).toBe(true);
    expect(sameIdentity({ role: 'agent', id }, { role: 'process-server', id })).toBe(false);
    expect(sameIdentity({ role: 'agent', id }, { role: 'agent', id: newId() })).toBe(false);
  });

  const id = '0123456789abcdef0123456789abcdef';
  it.each([
    '',
    'holdfast:agent/',
    `holdfast:AGENT/${id}`,
    `holdfast:agent/${id.toUpperCase()}`,
    `holdfast:agent/${id}0`,
    `holdfast:agent/${id}\n`,
    ` holdfast:agent/${id}`,
    `holdfast:agent//${id}`,
    `holdfast:root/${id}`,
    `holdfast:constructor/${id}`,
    `https:agent/${id}`,
    `holdfast:agent/${id},URI:holdfast:process-server/${id}`,
  ])('are not found in %j', (uri) => {
    expect(parseIdentityUri(uri)).toBeUndefined();
  });

  it('are not found in anything else', () => {
    fc.assert(fc.property(fc.string({ maxLength: 200 }), (text) => parseIdentityUri(text) === undefined));
  });

  it('have the role that enrolment asks for, when it is one that is given out', () => {
    expect([Role.AGENT, Role.PROCESS_SERVER, Role.MASTER_TARGET].map(roleOfMessage)).toEqual(['agent', 'process-server', 'master-target']);
    for (const role of [Role.UNSPECIFIED, 99 as Role]) expect(() => roleOfMessage(role)).toThrow(/PROTOCOL_VIOLATION/);
  });
});
