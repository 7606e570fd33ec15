import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Lvm, logicalVolumeOf, removeForgotten, removeSnapshot, snapshotName, snapshotTag } from './volume-snapshot.ts';

const ID = 'Zk3tP0cQ1mVbN8sXyLwR5uHjEaGdF2oT';

describe('the logical volume of a device', () => {
  let system: string;
  beforeEach(() => (system = mkdtempSync(path.join(tmpdir(), 'holdfast-volume-'))));
  afterEach(() => rmSync(system, { recursive: true }));

  const describeDevice = (uuid: string, name: string): void => {
    const folder = path.join(system, 'dev/block/253:0/dm');
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, 'uuid'), `${uuid}\n`);
    writeFileSync(path.join(folder, 'name'), `${name}\n`);
  };

  it.each([
    ['vg-root', { group: 'vg', name: 'root' }],
    ['my--group-a--b', { group: 'my-group', name: 'a-b' }],
    ['g---h', { group: 'g-', name: 'h' }],
  ])('%s is named', (name, volume) => {
    describeDevice(`LVM-${ID}${ID}`, name);
    expect(logicalVolumeOf('253:0', system)).toEqual(volume);
  });

  it('is none of another kind of device, of what LVM keeps for itself, and of a device that is not there', () => {
    describeDevice(`CRYPT-LUKS2-${ID}-luks`, 'luks');
    expect(logicalVolumeOf('253:0', system)).toBeUndefined();
    describeDevice(`LVM-${ID}${ID}-real`, 'vg-root-real');
    expect(logicalVolumeOf('253:0', system)).toBeUndefined();
    expect(logicalVolumeOf('8:0', system)).toBeUndefined();
  });
});

/** LVM as far as it is used here: volumes by group and name, with their tag. */
const fakeLvm = (volumes: Map<string, string>, fails: (program: string) => boolean = () => false) => {
  const calls: string[] = [];
  const lvm: Lvm = async (program, args) => {
    calls.push(program);
    if (fails(program)) throw new Error(`${program} failed`);
    const last = args.at(-1)!;
    if (program === 'lvremove') volumes.delete(last);
    if (program !== 'lvs') return '';
    const wanted = args[args.indexOf('--select') + 1]!;
    const fits = ([path, tag]: [string, string]): boolean =>
      path.startsWith(`${last}/`) &&
      (wanted.includes('tags=') ? wanted.endsWith(`tags=${tag}`) : `lv_name=${path.slice(last.length + 1)}` === wanted);
    return [...volumes]
      .filter(fits)
      .map(([path]) => path.slice(last.length + 1))
      .join('\n  ');
  };
  return { lvm, calls };
};

describe('a snapshot', () => {
  it('is removed where it is there, and is not taken for gone because LVM does not answer', async () => {
    const volumes = new Map([
      ['vg/holdfast_a', ''],
      ['vg/root', ''],
    ]);
    const stuck = fakeLvm(volumes, () => true);
    await expect(removeSnapshot({ group: 'vg', name: 'holdfast_a' }, stuck.lvm)).rejects.toThrow('lvs failed');
    const { lvm, calls } = fakeLvm(volumes);
    await removeSnapshot({ group: 'vg', name: 'holdfast_b' }, lvm);
    await removeSnapshot({ group: 'vg', name: 'holdfast_a' }, lvm);
    expect(calls).toEqual(['lvs', 'lvs', 'lvremove']);
    expect([...volumes.keys()]).toEqual(['vg/root']);
  });

  it('that a power loss left is removed, where it is of this machine; nothing is asked where there is none', async () => {
    const system = mkdtempSync(path.join(tmpdir(), 'holdfast-volume-'));
    try {
      const own = snapshotTag('1'.repeat(32));
      const none = fakeLvm(new Map());
      expect(await removeForgotten(own, { system, lvm: none.lvm })).toEqual({ found: [], problems: [] });
      expect(none.calls).toEqual([]);
      const names = [snapshotName(), snapshotName(), 'root'];
      for (const [minor, name] of names.entries()) {
        const folder = path.join(system, `dev/block/253:${minor}/dm`);
        mkdirSync(folder, { recursive: true });
        writeFileSync(path.join(folder, 'uuid'), `LVM-${ID}${ID}\n`);
        writeFileSync(path.join(folder, 'name'), `vg-${name}\n`);
      }
      const volumes = new Map(names.map((name, index) => [`vg/${name}`, [own, snapshotTag('2'.repeat(32)), ''][index]!]));
      const busy = fakeLvm(volumes, (program) => program === 'lvremove');
      expect(await removeForgotten(own, { system, lvm: busy.lvm })).toEqual({ found: [`vg/${names[0]}`], problems: ['lvremove failed'] });
      expect(await removeForgotten(own, { system, lvm: fakeLvm(volumes).lvm })).toEqual({ found: [`vg/${names[0]}`], problems: [] });
      expect([...volumes.keys()]).toEqual([`vg/${names[1]}`, 'vg/root']);
    } finally {
      rmSync(system, { recursive: true });
    }
  });
});
