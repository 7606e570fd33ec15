import { X509Certificate } from 'node:crypto';
import { encodeSuccessor, successorText } from '@holdfast/protocol';
import { createTestAuthority, type TestAuthority } from '@holdfast/protocol/conformance';
import { type LoggedIn, logIn } from '../testing/logged-in.ts';
import { sampleScript } from '../testing/sample-site.ts';

let person: LoggedIn;
beforeEach(async () => {
  person = await logIn(sampleScript());
});
afterEach(() => person.close());

describe('authority', () => {
  it('is shown, and replaced step by step; whoever is waited for is named', async () => {
    expect((await person.run(['authority', 'show'])).stdout).toContain('One authority signs');
    const begun = await person.run(['authority', 'rotate']);
    expect(begun).toMatchObject({ status: 0, stdout: expect.stringContaining('A new authority was made') });
    person.site.script.authority.waitingFor = ['web1'];
    expect((await person.run(['authority', 'rotate'])).stdout).toContain('  web1');
    expect(person.site.script.authority.phase).toBe('announced');
    expect((await person.run(['authority', 'rotate', '--force', '--yes'])).stdout).toContain('The new authority signs');
    const json = JSON.parse((await person.run(['authority', 'show', '--output', 'json'])).stdout) as Record<string, unknown>;
    expect(json).toMatchObject({ phase: 'switched', authorities: [{ fingerprint: 'ab', signs: true }] });
  });

  it('is replaced at once where its key may be known, whoever is waited for; what that means is said', async () => {
    await person.run(['authority', 'rotate']);
    person.site.script.authority.waitingFor = ['web1'];
    const { status, stdout } = await person.run(['authority', 'rotate', '--compromised', '--yes']);
    expect([status, person.site.script.authority.phase]).toEqual([0, 'steady']);
    expect(stdout).toContain('Every member has to join anew');
  });

  it('may be another one since, where the one before signed that it follows: nobody logs in again', async () => {
    const old = person.site.authority;
    const [next, stranger] = await Promise.all([createTestAuthority(), createTestAuthority()]);
    const signed = async (by: TestAuthority): Promise<string> =>
      encodeSuccessor(next.certificate, await by.sign(successorText(new X509Certificate(next.certificate).raw)));
    await person.site.close();
    await person.site.reopen(next);
    // Nothing told, by nobody, and by somebody else: it is what it always was.
    for (const told of [undefined, 'no', await signed(stranger), await signed(next)]) {
      person.site.script.successor = told;
      const refused = await person.run(['policy', 'list']);
      expect(refused).toMatchObject({ status: 3, stderr: expect.stringContaining('[CERTIFICATE_UNTRUSTED]') });
    }
    expect(person.site.calls).toEqual([]);
    person.site.script.successor = await signed(old);
    const { status, stderr } = await person.run(['policy', 'list']);
    expect({ status, told: stderr.includes(next.fingerprint) }).toEqual({ status: 0, told: true });
    person.site.script.successor = undefined;
    expect(await person.run(['policy', 'list'])).toMatchObject({ status: 0, stderr: '' });
  });
});
