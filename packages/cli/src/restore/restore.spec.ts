import { type LoggedIn, logIn } from '../testing/logged-in.ts';
import { sampleScript } from '../testing/sample-site.ts';

let person: LoggedIn;
beforeEach(async () => {
  person = await logIn(sampleScript());
});
afterEach(() => person.close());

describe('restore', () => {
  it('tells what a restored server waits for, and ends the wait when somebody says so', async () => {
    expect((await person.run(['restore', 'status'])).stdout).toContain('never restored');
    person.site.script.reconciliation = {
      waiting: true,
      from: 'backup',
      madeUnixMillis: 1_700_000_000_000n,
      missing: ['ps1 is not connected'],
      differences: ['web9 is received into vault office, and this server knows nothing of its protection'],
      backups: [{ vault: 'office', revision: 7n, unixMillis: 1_700_000_100_000n }],
    };
    const { stdout } = await person.run(['restore', 'status']);
    expect(stdout).toContain('waits until it knows');
    expect(stdout).toContain('  ps1 is not connected');
    expect(stdout).toContain('  web9 is received');
    expect(stdout).toContain('office: ');
    const json = JSON.parse((await person.run(['restore', 'status', '--output', 'json'])).stdout) as Record<string, unknown>;
    expect(json).toMatchObject({ waiting: true, from: 'backup', backups: [{ vault: 'office', put: '2023-11-14T22:15:00.000Z' }] });
    expect(await person.run(['restore', 'confirm'])).toMatchObject({ status: 8 });
    expect(await person.run(['restore', 'confirm', '--force', '--yes'])).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('steers again'),
    });
    expect((await person.run(['restore', 'status'])).stdout).toContain('knows what it has to');
  });
});
