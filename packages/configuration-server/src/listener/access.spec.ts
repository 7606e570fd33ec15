import type { DescService } from '@bufbuild/protobuf';
import type { HoldfastError } from '@holdfast/errors';
import * as protocol from '@holdfast/protocol';
import { accessTo, requireAccess } from './access.ts';
import type { Caller } from './caller.ts';

/** Served elsewhere. */
const ELSEWHERE = new Set(['ReplicationService']);

const services = (Object.values(protocol) as readonly unknown[]).filter(
  (exported): exported is DescService => typeof exported === 'object' && (exported as { readonly kind?: unknown }).kind === 'service',
);

const outcome = (method: DescService['methods'][number], caller: Caller): string => {
  try {
    requireAccess(method, caller);
    return 'allowed';
  } catch (error) {
    return (error as HoldfastError).code;
  }
};

const person = (role: 'reader' | 'operator' | 'administrator'): Caller => ({ kind: 'person', person: { access: 'x', name: 'x', role } });
const member = (role: protocol.IdentityRole): Caller => ({
  kind: 'member',
  peer: { identity: { role, id: 'a'.repeat(32) }, serial: '1', notAfter: 0, certificate: new Uint8Array() },
});

describe('who may call what', () => {
  const methods = services.filter(({ name }) => !ELSEWHERE.has(name)).flatMap((service) => service.methods);

  it('is decided for every method of every service', () => {
    expect(methods.length).toBeGreaterThan(25);
    for (const method of methods) expect([method.name, accessTo(method)]).toEqual([method.name, expect.anything()]);
  });

  it('is nobody for a method that was forgotten', () => {
    const replicate = protocol.ReplicationService.method.replicate;
    for (const caller of [person('administrator'), member('process-server'), { kind: 'anonymous' } as const])
      expect(outcome(replicate, caller)).toBe('NO_PERMISSION');
  });

  it('lets nobody without a name do anything but join', () => {
    const open = methods.filter((method) => outcome(method, { kind: 'anonymous' }) === 'allowed');
    expect(open.map(({ name }) => name)).toEqual(['Enrol', 'SignIn']);
  });

  it('lets members only speak of themselves', () => {
    for (const role of ['agent', 'process-server', 'master-target', 'configuration-server'] as const) {
      const allowed = methods.filter((method) => outcome(method, member(role)) === 'allowed').map(({ name }) => name);
      const own = { agent: ['ConnectAgent'], 'process-server': ['ConnectServer', 'FetchBackup'], 'master-target': ['ConnectServer'] };
      expect(allowed.toSorted()).toEqual(
        role === 'configuration-server' ? ['Enrol', 'SignIn'] : [...own[role], 'Enrol', 'Renew', 'SignIn'].toSorted(),
      );
    }
  });

  it('lets readers change nothing, and everybody what is theirs', () => {
    const allowed = (caller: Caller): string[] => methods.filter((method) => outcome(method, caller) === 'allowed').map(({ name }) => name);
    for (const name of allowed(person('reader')))
      expect(name).toMatch(/^(List|Get|Watch|Resolve|Check|Enrol|SignIn$|SignOut$|ChangePassword$)/);
    expect(allowed(person('operator'))).toEqual(expect.arrayContaining(['Protect', 'CancelJob', 'UpdatePolicy']));
    for (const name of ['CreateToken', 'RevokeServer', 'RemoveMachine', 'ListTokens', 'CreateUser', 'CreateAccessToken', 'ListAudit'])
      expect(allowed(person('operator'))).not.toContain(name);
    expect(allowed(person('administrator')).length).toBe(methods.length - 4);
  });
});
