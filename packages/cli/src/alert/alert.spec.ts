import { Severity } from '@holdfast/protocol';
import { type LoggedIn, logIn } from '../testing/logged-in.ts';
import { SAMPLE, SAMPLE_NOW, sampleScript } from '../testing/sample-site.ts';

let person: LoggedIn;
beforeEach(async () => {
  person = await logIn({
    ...sampleScript(),
    alerts: [
      {
        id: '5f'.padEnd(32, '0'),
        severity: Severity.CRITICAL,
        code: 'rpo-exceeded',
        subject: SAMPLE.db1,
        subjectName: 'db1',
        text: 'db1: its newest safe recovery point is 8 min old; the policy allows 60 s',
        sinceUnixMillis: BigInt(SAMPLE_NOW - 420_000),
      },
      {
        id: '6a'.padEnd(32, '0'),
        severity: Severity.WARNING,
        code: 'server-away',
        subject: SAMPLE.ps1,
        text: 'ps1 is away',
        sinceUnixMillis: 1n,
      },
    ],
  });
});
afterEach(() => person.close());

const now = { now: () => SAMPLE_NOW };

describe('alert', () => {
  it('list tells what is not well, of all or of one', async () => {
    const { stdout } = await person.run(['alert', 'list'], now);
    expect(stdout).toMatch(/critical +7 min 0 s +5f0000000000 +db1: its newest safe recovery point is 8 min old/);
    expect(stdout).toContain('ps1 is away');
    expect(await person.json(['alert', 'list', '--subject', 'db1'])).toMatchObject([
      { code: 'rpo-exceeded', subject: { name: 'db1' }, acknowledged: null, silenced: null },
    ]);
    person.site.script.alerts = [];
    expect((await person.run(['alert', 'list'])).stdout).toBe('All is well.\n');
  });

  it('acknowledge and silence say who looks after it, and for how long it is silent', async () => {
    expect((await person.run(['alert', 'acknowledge', '5f'], now)).stdout).toMatch(/anna\s*\n$/);
    expect((await person.run(['alert', 'silence', '5f', '--for', '4h'], now)).stdout).toMatch(/silent for 4 h/);
    expect((await person.run(['alert', 'silence', '5f', '--end'], now)).stdout).not.toContain('silent');
    expect(await person.run(['alert', 'silence', '5f', '--end', '--for', '1h'])).toMatchObject({ status: 2 });
    expect(await person.run(['alert', 'acknowledge', '77'])).toMatchObject({
      status: 4,
      stderr: expect.stringContaining('[RESOURCE_NOT_FOUND]'),
    });
  });
});
