import { spawnSync } from 'node:child_process';
import { labEnvironment } from './environment.ts';
import { describeLab, type LabStatus } from './status.ts';

const NONE: LabStatus = { state: 'none', directory: null, programs: [], machine: null };

describe('the status of the lab', () => {
  const text = (status: Partial<LabStatus>): string => describeLab({ ...NONE, ...status }).join('\n');

  it('says what there is and what to do about it', () => {
    expect(text({})).toContain('npm run lab -- up');
    expect(text({ state: 'dead', directory: '/tmp/l' })).toContain('npm run lab -- down');
    expect(text({ state: 'coming up', directory: '/tmp/l' })).toContain('/tmp/l is coming up');
  });

  it('lists programs and the machine', () => {
    const programs = [{ name: 'holdfast-agent', pid: 17, running: false, restarts: 2 }];
    const machine = { id: 'abc', state: 'protected', points: 3, newestPoint: '2026-11-22T01:02:03.000Z', rpoSeconds: 4 };
    const page = text({ state: 'not well', directory: '/tmp/l', programs, machine });
    expect(page).toMatch(/holdfast-agent +17 +ended +2/);
    expect(page).toMatch(/abc +protected +3 +4\.0 s +2026-11-22T01:02:03\.000Z/);
    expect(text({ state: 'not well', directory: '/tmp/l' })).toContain('does not answer');
  });
});

describe('the environment of the lab', () => {
  it('comes through a shell as it is', () => {
    const key = "/tmp/it's $HOME/key";
    const vault = { url: 'file:/v', keyFile: key, accountKeyFile: '/a', place: '/v' };
    const script = `${labEnvironment({ contexts: '/c', vault })}printf '%s|%s|%s' "$KEY" "$AZURE_STORAGE_KEY_FILE" "$HOLDFAST_CLI_DIRECTORY"`;
    expect(spawnSync('sh', ['-c', script], { encoding: 'utf8' }).stdout).toBe(`${key}|/a|/c`);
    expect(labEnvironment({ contexts: '/c', vault: { ...vault, accountKeyFile: undefined } })).not.toContain('AZURE');
  });
});
