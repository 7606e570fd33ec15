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
    expect((await person.run(['authority', 'rotate', '--force'])).stdout).toContain('The new authority signs');
    const json = JSON.parse((await person.run(['authority', 'show', '--output', 'json'])).stdout) as Record<string, unknown>;
    expect(json).toMatchObject({ phase: 'switched', authorities: [{ fingerprint: 'ab', signs: true }] });
  });
});
