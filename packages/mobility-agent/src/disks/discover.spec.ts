import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { recordedSystem } from '../manifest/testing/recorded-system.ts';
import { discoverDisks } from './discover.ts';

const disk = (name: string, facts: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries([
    [`/sys/block/${name}/size`, ''],
    ...Object.entries({ size: '2048', removable: '0', ...facts }).map(([field, value]) => [`/sys/class/block/${name}/${field}`, value]),
  ]);

const PHYSICAL = { 'device/uevent': '' };

describe('finding the disks of a machine', () => {
  it('takes whole physical disks and nothing else', () => {
    const system = recordedSystem({
      ...disk('sda', { ...PHYSICAL, 'device/wwid': 'naa.5000c500a1b2c3d4' }),
      ...disk('sdb', { ...PHYSICAL, removable: '1' }),
      ...disk('vda', { ...PHYSICAL, serial: 'root-1' }),
      ...disk('nvme0n1', { ...PHYSICAL, wwid: 'eui.0025385', 'device/serial': 'S4' }),
      ...disk('nvme0c0n1', { ...PHYSICAL, hidden: '1' }),
      ...disk('xvdb', { ...PHYSICAL, size: '0' }),
      ...disk('sr0', PHYSICAL),
      ...disk('loop0', {}),
      ...disk('zram0', {}),
      ...disk('ram0', {}),
      ...disk('dm-0', {}),
      ...disk('md0', {}),
      ...disk('virtual', {}),
      ...disk('mmcblk0boot0', PHYSICAL),
    });
    expect(discoverDisks(system, [])).toEqual([
      { path: '/dev/nvme0n1', kind: 'device', size: 1 << 20, key: 'wwn eui.0025385' },
      { path: '/dev/sda', kind: 'device', size: 1 << 20, key: 'wwn naa.5000c500a1b2c3d4' },
      { path: '/dev/vda', kind: 'device', size: 1 << 20, key: 'serial  root-1' },
    ]);
  });

  it('tells disks that say the same of themselves apart', () => {
    const system = recordedSystem({
      ...disk('sda', { ...PHYSICAL, serial: 'x' }),
      ...disk('sdb', { ...PHYSICAL, serial: 'x' }),
      ...disk('sdc', PHYSICAL),
      ...disk('sdd', { ...PHYSICAL, 'dm/uuid': 'LVM-abc' }),
      ...disk('sde', { ...PHYSICAL, 'md/uuid': '4b3f41af' }),
    });
    const keys = ['serial  x at /dev/sda', 'serial  x at /dev/sdb', 'path /dev/sdc', 'uuid LVM-abc', 'uuid 4b3f41af'];
    expect(discoverDisks(system, []).map(({ key }) => key)).toEqual(keys);
  });

  it('takes what is named, once, and leaves out what is not there', () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'disks-'));
    const image = path.join(directory, 'image');
    fs.writeFileSync(image, Buffer.alloc(4096));
    fs.symlinkSync(image, path.join(directory, 'link'));
    const named = ['image', 'link', 'missing', '.'].map((name) => path.join(directory, name));
    expect(discoverDisks(recordedSystem({}), named)).toEqual([{ path: image, kind: 'image', size: 4096, key: `image ${image}` }]);
    fs.rmSync(directory, { recursive: true });
  });
});
