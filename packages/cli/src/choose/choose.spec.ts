import { create } from '@bufbuild/protobuf';
import { idBytes, ManifestSchema, PointSchema } from '@holdfast/protocol';
import { type MachineHistory, type MachineSummary, pointDisks, type RecoveryPoint } from '@holdfast/vault';
import { chooseDisk } from './choose-disk.ts';
import { chooseMachine } from './choose-machine.ts';
import { choosePoint } from './choose-point.ts';
import { nearNames, suggestion } from './near.ts';

const summary = (id: string, name: string): MachineSummary => ({ id: id.padEnd(32, '0'), name, registered: 0 });

describe('a machine', () => {
  const machines = [summary('aa11', 'db1'), summary('aa22', 'db2'), summary('bb33', 'web'), summary('cc44', 'web')];

  it.each([
    ['db1', 'aa11'],
    ['bb', 'bb33'],
    ['AA22', 'aa22'],
  ])('is meant by %s', (word, id) => {
    expect(chooseMachine(machines, word).id).toBe(id.padEnd(32, '0'));
  });

  it('needs no word when there is one, and one when there are several', () => {
    expect(chooseMachine(machines.slice(0, 1), undefined)).toBe(machines[0]);
    expect(() => chooseMachine(machines, undefined)).toThrow(/\[SETTING_INVALID\].*4 machines.*db1, db2/);
    expect(() => chooseMachine([], undefined)).toThrow('[MACHINE_NOT_FOUND]');
  });

  it.each([
    ['aa', /\[SETTING_INVALID\].*2 machines are meant/],
    ['web', /\[SETTING_INVALID\].*2 machines are meant/],
    ['wep', /\[MACHINE_NOT_FOUND\].*did you mean web\?/],
    ['zzzzzz', /\[MACHINE_NOT_FOUND\].*there are db1, db2, web/],
    ['', /\[MACHINE_NOT_FOUND\]/],
  ])('is not guessed from "%s"', (word, told) => {
    expect(() => chooseMachine(machines, word)).toThrow(told);
  });
});

describe('a point', () => {
  const START = Date.UTC(2026, 10, 22, 1);
  const point = (id: string, time: number): RecoveryPoint => ({
    id: id.padEnd(32, '0'),
    time,
    point: create(PointSchema),
    disks: [],
    manifest: undefined,
  });
  const points = [point('2026aa', START), point('beef1', START + 1000), point('beef2', START + 2500)];
  const history = (held: readonly RecoveryPoint[]) =>
    ({ machine: summary('aa', 'db1'), points: held, damage: [] }) as unknown as MachineHistory;

  it.each([
    ['latest', 2],
    ['beef1', 1],
    ['BEEF2', 2],
    ['2026aa', 0],
    ['2026-11-22T01:00:02Z', 1],
    ['2026-11-22T01:00:02.500Z', 2],
    ['2026-11-22T02:00:00.999+01:00', 0],
    ['2027-01-01T00:00Z', 2],
  ])('is meant by %s', (word, index) => {
    expect(choosePoint(history(points), word)).toBe(points[index]);
  });

  it.each([
    ['beef', /\[SETTING_INVALID\].*2 points begin like that/],
    ['bee', /\[POINT_NOT_FOUND\]/],
    ['beeff', /\[POINT_NOT_FOUND\].*did you mean beef1 or beef2\?/],
    ['lates', /\[POINT_NOT_FOUND\].*did you mean latest\?/],
    ['2026-11-22T01:00:02', /\[SETTING_INVALID\].*no full time with a zone/],
    ['2026-11-22', /\[SETTING_INVALID\]/],
    ['2026-13-22T01:00:02Z', /\[SETTING_INVALID\]/],
    ['2026-11-22T00:59:59Z', /\[POINT_NOT_FOUND\].*oldest.*2026-11-22T01:00:00.000Z/],
    ['', /\[POINT_NOT_FOUND\]/],
  ])('is not guessed from "%s"', (word, told) => {
    expect(() => choosePoint(history(points), word)).toThrow(told);
  });

  it('is not there when the machine has none', () => {
    expect(() => choosePoint(history([]), 'latest')).toThrow(/\[POINT_NOT_FOUND\] machine db1: it has no recovery point/);
  });
});

describe('the disks of a point', () => {
  const named = (names: readonly string[]) => {
    const ids = names.map((_, at) => String(at + 1).repeat(32));
    const manifest = create(ManifestSchema, {
      disks: names.map((name, at) => ({ id: idBytes(ids[at]!), name, order: names.length - at })),
    });
    const members = ids.map((id) => ({ diskId: idBytes(id), epoch: { generationId: idBytes(id), number: 0n } }));
    const point = { point: create(PointSchema, { members }), manifest } as unknown as RecoveryPoint;
    return pointDisks({ generations: new Map() } as unknown as MachineHistory, point);
  };

  it('have names fit for files, in the order of the machine, and no two the same', () => {
    expect(named(['../../etc/passwd', 'mapper/vg-root', 'sda', 'sda', '']).map(({ name }) => name)).toEqual([
      '5'.repeat(32),
      '4'.repeat(32),
      '3'.repeat(32),
      'mapper_vg-root',
      '_.._etc_passwd',
    ]);
  });

  it('are chosen by name or id', () => {
    const disks = named(['sda', 'sdb']);
    expect(chooseDisk(disks, 'sda').name).toBe('sda');
    expect(chooseDisk(disks, '22').name).toBe('sdb');
    expect(chooseDisk(disks.slice(0, 1), undefined)).toBe(disks[0]);
    expect(() => chooseDisk(disks, undefined)).toThrow(/\[SETTING_INVALID\].*2 disks/);
    expect(() => chooseDisk(disks, 'sdx')).toThrow(/\[DEVICE_NOT_FOUND\].*did you mean/);
  });
});

describe('near names', () => {
  it('come nearest first, and strangers not at all', () => {
    expect(nearNames('webserver', ['webserver2', 'vebserver', 'database', 'webserver-old'])).toEqual(['webserver2', 'vebserver']);
    expect(suggestion('x', [])).toBe('there is none');
    expect(suggestion('qqqqqq', ['only'])).toBe('there is only');
  });
});
