import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { logicalVolumeOf } from './volume-snapshot.ts';

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
