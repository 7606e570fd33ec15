import { type LoggedIn, logIn } from '../testing/logged-in.ts';
import { SAMPLE, sampleScript } from '../testing/sample-site.ts';

let person: LoggedIn;
beforeEach(async () => {
  person = await logIn(sampleScript());
});
afterEach(() => person.close());

describe('vaults of the site', () => {
  it('are listed with who serves them and how they are', async () => {
    const { stdout } = await person.run(['vault', 'list']);
    expect(stdout).toMatch(/office +0ff1ce000000 +critical +1 +ps1/);
    expect(stdout).toContain('attic');
    expect(stdout).toContain('decommissioned, still in the settings of ps1');
    expect(await person.json(['vault', 'list'])).toMatchObject([
      { name: 'office', machines: 1, decommissioned: null, servers: [{ name: 'ps1', calls: 'main', state: 'unreachable' }] },
      { name: 'attic', decommissioned: { by: 'admin' } },
    ]);
  });

  it('are shown whole, with reasons', async () => {
    const { stdout } = await person.run(['vault', 'show', 'office']);
    expect(stdout).toContain('NOT WELL    vault office cannot be used');
    expect(stdout).toContain('served by   ps1: unreachable, its settings call it main, [STORE_UNAVAILABLE] it does not answer');
    expect(stdout).toContain('used by     a proof of db1');
    expect(stdout).toMatch(/db1 +db1000000000 +protected/);
    expect(await person.run(['vault', 'show', 'offcie'])).toMatchObject({ status: 4, stderr: expect.stringContaining('office') });
  });

  it('are renamed, given up and taken back', async () => {
    expect((await person.run(['vault', 'rename', 'office', 'hq'])).stdout).toBe(
      `Vault office (${SAMPLE.office}) is called hq from now on.\n`,
    );
    expect(await person.run(['vault', 'decommission', 'hq'])).toMatchObject({
      status: 8,
      stderr: expect.stringContaining('[VAULT_IN_USE]'),
    });
    const { stdout } = await person.run(['vault', 'decommission', 'hq', '--force', '--yes']);
    expect(stdout).toContain('Its objects stay as they are at file:/srv/office');
    expect(stdout).toContain('No longer protected: db1');
    expect(stdout).toContain('still in the settings of ps1');
    expect((await person.run(['vault', 'readmit', 'attic'])).stdout).toContain('is used again');
    expect(person.site.script.vaults.map(({ decommissionedBy }) => decommissionedBy)).toEqual(['me', '']);
  });
});
