import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const UNITS = path.join(__dirname, '..', '..', '..', '..', 'deploy', 'systemd');
/** Exposure as systemd counts it, in tenths: 0 is none. The agent must see the machine as it is, so it keeps more. */
const PROGRAMS = [
  ['agent', 51],
  ['process-server', 20],
  ['configuration-server', 20],
] as const;

const unitOf = (program: string): string => readFileSync(path.join(UNITS, `holdfast-${program}.service`), 'utf8');
/** Values of a setting, by all lines that give it. */
const valuesOf = (unit: string, name: string): string[] =>
  [...unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value]) => value!);

describe.unless(lacks('systemd-analyze'), 'the units', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'units-'));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  const analyze = (unit: string, ...flags: string[]) => {
    const file = path.join(directory, 'holdfast-example.service');
    writeFileSync(file, unit);
    const { status, stdout, stderr } = spawnSync('systemd-analyze', [...flags, file], { encoding: 'utf8' });
    return { status, words: stdout + stderr };
  };
  /** The programs are not installed here; everything else is as it is. */
  const verify = (unit: string) => analyze(unit.replace(/^ExecStart=\S+$/m, 'ExecStart=/bin/true'), 'verify', '--man=no');

  it.each(PROGRAMS)('of holdfast-%s is right to the last word', (program) => {
    expect(verify(unitOf(program))).toEqual({ status: 0, words: '' });
  });

  it('with a mistake are found out', () => {
    const unit = unitOf('agent');
    expect(verify(unit.replace('WatchdogSec', 'WatchdogSecs')).words).toContain('WatchdogSecs');
    expect(verify(unit.replace('Type=notify', 'Type=notifi')).words).toContain('notifi');
    expect(verify(unit.replace('@system-service', '@system-services')).words).toContain('@system-services');
  });

  it.each(PROGRAMS)('of holdfast-%s names rights that there are', (program) => {
    const known = (right: string) => spawnSync('systemd-analyze', ['capability', right]).status === 0;
    const rights = ['CapabilityBoundingSet', 'AmbientCapabilities'].flatMap((name) => valuesOf(unitOf(program), name).join(' ').split(' '));
    expect(rights.filter((right) => right !== '' && !known(right))).toEqual([]);
    expect(known('CAP_SYS_ADMINS')).toBe(false);
  });

  it.each(PROGRAMS)('of holdfast-%s gives away at most %i', (program, most) => {
    const security = (unit: string) => analyze(unit, 'security', '--offline=true', `--threshold=${most}`).status;
    expect(security(unitOf(program))).toBe(0);
    expect(security(unitOf(program).replace(/^(CapabilityBoundingSet|NoNewPrivileges|SystemCallFilter)=.*$/gm, ''))).not.toBe(0);
  });
});

describe('the units', () => {
  it.each(PROGRAMS)('of holdfast-%s fits what the program does', (program) => {
    const unit = unitOf(program);
    expect(valuesOf(unit, 'ExecStart')).toEqual([`/usr/local/bin/holdfast-${program}`]);
    expect(valuesOf(unit, 'Type')).toEqual(['notify']);
    expect(valuesOf(unit, 'Restart')).toEqual(['always']);
    // The program's default for state.directory is /var/lib/holdfast/NAME.
    expect(valuesOf(unit, 'StateDirectory')[0]!.split(' ')[0]).toBe(`holdfast/${program}`);
    // Longer than stop.deadline.
    expect(Number(valuesOf(unit, 'TimeoutStopSec')[0])).toBeGreaterThan(30);
    expect(Number(valuesOf(unit, 'WatchdogSec')[0])).toBeGreaterThan(10);
  });

  it.each(PROGRAMS)('of holdfast-%s ends that program alone', (program) => {
    // Machines that a process server recovered run on, also one that a configuration server started; what holds an agent's file systems still has to let
    // them go when the agent died. With any other KillMode they end with the service.
    expect(valuesOf(unitOf(program), 'KillMode')).toEqual(['process']);
  });

  it('of the agent gives it no file system of its own', () => {
    const ownMounts =
      /^(Protect(System|Home|Kernel|Control|Proc|Clock|Hostname)|Private|ReadOnlyPaths|ReadWritePaths|InaccessiblePaths|Device)/m;
    expect(unitOf('agent').replaceAll(/^#.*$/gm, '')).not.toMatch(ownMounts);
    expect(unitOf('process-server')).toMatch(ownMounts);
  });
});
