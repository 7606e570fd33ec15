import { type LoggedIn, logIn } from '../testing/logged-in.ts';
import { SAMPLE, sampleScript } from '../testing/sample-site.ts';

let person: LoggedIn;
beforeEach(async () => {
  person = await logIn(sampleScript());
});
afterEach(() => person.close());

describe('a machine', () => {
  it('is renamed, moved and changed', async () => {
    expect((await person.run(['machine', 'rename', 'db1', 'shop'])).stdout).toBe(
      `Machine db1 (${SAMPLE.db1}) is called shop from now on.\n`,
    );
    expect((await person.run(['machine', 'move', 'shop', '--process-server', 'ps1'])).status).toBe(0);
    expect(person.site.script.jobs[0]).toMatchObject({ kind: `move to ${SAMPLE.ps1}`, machineId: SAMPLE.db1 });
    const set = await person.run(['machine', 'set', 'shop', '--policy', 'silver', '--exclude-disk', 'sdb', '--yes', '-o', 'json']);
    expect(JSON.parse(set.stdout)).toMatchObject({ name: 'shop', protection: { policy: { name: 'silver' } } });
    expect(person.site.script.protections[0]!.excludedDiskIds).toEqual([SAMPLE.sdb]);
    expect((await person.run(['machine', 'set', 'shop', '--include-disk', 'sdb'])).status).toBe(0);
    expect(person.site.script.protections[0]!.excludedDiskIds).toEqual([]);
    expect((await person.run(['machine', 'set', 'shop', '--pause-copy'])).status).toBe(0);
    expect(person.site.script.protections[0]).toMatchObject({ copyPaused: true, excludedDiskIds: [] });
    expect((await person.run(['machine', 'set', 'shop', '--resume-copy'])).status).toBe(0);
    expect(person.site.script.protections[0]!.copyPaused).toBe(false);
    expect(await person.json(['machine', 'set', 'shop', '--network', 'br0', '--size', '2x4GiB'])).toMatchObject({
      protection: { target: { fabric: 'qemu', network: 'br0', testNetwork: 'isolated', size: '2x4GiB' } },
    });
    expect((await person.run(['machine', 'show', 'shop'])).stdout).toContain(
      'recovered   on qemu, network br0, tests isolated, size 2x4GiB',
    );
    expect(await person.run(['machine', 'set', 'shop', '--resume-copy', '--pause-copy'])).toMatchObject({ status: 2 });
    expect((await person.run(['machine', 'resync', 'shop'])).stdout).toContain('holdfast machine show shop');
    expect(person.site.script.jobs[0]).toMatchObject({ kind: 'resynchronize', machineId: SAMPLE.db1 });
    expect(await person.run(['machine', 'set', 'shop'])).toMatchObject({ status: 2 });
    expect(await person.run(['machine', 'set', 'shop', '--exclude-disk', 'sdx'])).toMatchObject({ status: 4 });
  });

  it('that is protected is removed by force only', async () => {
    expect(await person.run(['machine', 'remove', 'db1'])).toMatchObject({
      status: 8,
      stderr: expect.stringContaining('[MACHINE_PROTECTED]'),
    });
    expect((await person.run(['machine', 'remove', 'db1', '--force', '--yes'])).status).toBe(0);
  });
});

describe('a server', () => {
  it('is drained, and removed by force when it is in use', async () => {
    expect((await person.run(['server', 'drain', 'ps1'])).stdout).toMatch(/\d, drained/);
    expect((await person.run(['server', 'drain', 'ps1', '--end'])).stdout).not.toContain('drained');
    expect(await person.run(['server', 'remove', 'ps1'])).toMatchObject({ status: 8, stderr: expect.stringContaining('[SERVER_IN_USE]') });
    expect((await person.run(['server', 'remove', 'ps1', '--force', '--yes'])).status).toBe(0);
    expect(person.site.script.servers).toEqual([]);
  });
});
