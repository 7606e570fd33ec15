import { type LoggedIn, logIn } from '../testing/logged-in.ts';
import { sampleScript } from '../testing/sample-site.ts';

describe('checks', () => {
  let person: LoggedIn;
  beforeEach(async () => {
    person = await logIn(sampleScript());
  });
  afterEach(() => person.close());

  it('of a machine tell what was found, what to do, and whether that is enough', async () => {
    const { status, stdout } = await person.run(['machine', 'check', 'db1']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/warning +log-space +\/var +it has room for 1 MiB/);
    expect(stdout).toContain('log-space: free space');
    expect(stdout).toContain('Nothing is missing, but one thing is less good');
    expect(await person.json(['machine', 'check', 'db1', '--last'])).toMatchObject({
      passed: true,
      looked: '1970-01-01T00:00:01.000Z',
      findings: [
        { code: 'log-space', result: 'warning' },
        { code: 'machine-connected', text: 'it was connected' },
      ],
    });
  });

  it('come before a protection, and begin nothing', async () => {
    const { status, stdout } = await person.run(['protect', 'web', '--vault', 'elsewhere', '--check-only']);
    expect({ status, isTold: stdout.includes('vault-named: name another') }).toEqual({ status: 1, isTold: true });
    expect((await person.run(['protect', 'web', '--vault', 'office', '--check-only'])).status).toBe(0);
    expect(person.site.calls).not.toContain('ProtectionService.Protect');
  });
});
