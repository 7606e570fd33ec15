import { keepsLess, retentionOf } from './parse-retention.ts';
import { type LoggedIn, logIn } from './testing/logged-in.ts';
import { sampleScript } from './testing/sample-site.ts';

/** What lets go of protection or of history; what it calls at the server, what it says before, and the word it wants. */
const LETTING_GO: readonly (readonly [command: string, method: string, said: readonly RegExp[], word: string])[] = [
  ['unprotect db1', 'ProtectionService.Unprotect', [/stays +its recovery points in vault office/, /ends +its replication/], 'db1'],
  ['machine remove db1 --force', 'MachineService.RemoveMachine', [/stays +its history/, /ends +its membership, and its protection/], 'db1'],
  ['machine set db1 --exclude-disk sdb', 'ProtectionService.UpdateProtection', [/LEAVE OUT sdb of db1/, /ends +the protection/], 'db1'],
  ['machine set db1 --policy silver', 'ProtectionService.UpdateProtection', [/until now +15d/, /from now +72h/, /lost +the/], 'db1'],
  ['policy set gold --retention 24h', 'PolicyService.UpdatePolicy', [/until now +15d/, /from now +24h/, /lost +the/], 'gold'],
  ['server revoke db1', 'ServerService.RevokeServer', [/SHUT OUT db1/, /ends +its membership/], 'db1'],
  ['server remove ps1 --force', 'ServerService.RemoveServer', [/its machines wait for another server/], 'ps1'],
  ['vault decommission office --force', 'VaultService.DecommissionVault', [/what is not in it yet is lost/], 'office'],
  ['restore confirm --force', 'BackupService.ConfirmRestore', [/unsettled +ps1 is away/, /ends +the protection/], 'restore'],
  ['authority rotate --force', 'AuthorityService.RotateAuthority', [/left out +web1: it has to join anew/], 'authority'],
  ['authority rotate --compromised', 'AuthorityService.RotateAuthority', [/ends +every membership and login/], 'authority'],
];

describe('what lets go of protection or history', () => {
  let person: LoggedIn;
  beforeEach(async () => {
    const script = sampleScript();
    script.reconciliation = { ...script.reconciliation, waiting: true, from: 'backup', missing: ['ps1 is away'] };
    script.authority.waitingFor = ['web1'];
    person = await logIn(script);
  });
  afterEach(() => person.close());

  it.each(LETTING_GO)('%s says so and asks first', async (command, method, said, word) => {
    const { calls } = person.site;
    const args = command.split(' ');
    const alone = await person.run(args);
    expect([alone.status, calls.includes(method)]).toEqual([2, false]);
    for (const words of [...said, /nobody can be asked here; add --yes/]) expect(alone.stderr).toMatch(words);
    const wrong = await person.run(args, { ask: async () => 'y' });
    expect([wrong.status, calls.includes(method)]).toEqual([2, false]);
    const asked = jest.fn(async (_: string) => `${word}\n`);
    const right = await person.run(args, { ask: asked });
    expect([right.status, calls.includes(method), asked.mock.calls]).toEqual([0, true, [[`Type ${word} to go on: `]]]);
  });

  it.each(LETTING_GO)('%s asks nobody when it is told --yes', async (command, method, said) => {
    const ask = jest.fn(async () => '');
    const { status, stderr } = await person.run([...command.split(' '), '--yes'], { ask });
    expect([status, person.site.calls.includes(method)]).toEqual([0, true]);
    for (const words of said) expect(stderr).toMatch(words);
    expect(ask).not.toHaveBeenCalled();
  });

  it.each([
    ['machine set db1 --include-disk sdb'],
    ['machine set db1 --policy gold'],
    ['policy set gold --retention 90d'],
    // Nothing follows it.
    ['policy set silver --retention 24h'],
    ['machine remove web'],
  ])('%s is none of that', async (command) => {
    expect(await person.run(command.split(' '))).toMatchObject({ status: 0, stderr: '' });
  });
});

describe('a retention', () => {
  it.each([
    ['72h', '15d', true],
    ['15d', '72h', false],
    ['90d', '90d', false],
    // Further back, but coarser on the way there.
    ['all 2h, 1d 1y', '72h', true],
    ['all 2h, 1h 3d, 1w 7y', '15d', true],
    ['all 3h, 30min 4d, 1d 1y', '15d', false],
    ['all 1h', 'all 2h', true],
  ])('of %s keeps less than one of %s: %s', (after, before, isLess) => {
    expect(keepsLess(retentionOf(after), retentionOf(before))).toBe(isLess);
  });
});
