import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chooseFilesystems } from './choose-filesystems.ts';
import { parseMountTable } from './mount-table.ts';
import { beneath } from './stacking.ts';

/** A machine: disks 8:0 and 8:16; LVM over LUKS on a partition of the first; a loop device in a file of that; btrfs over both disks. */
const layDisks = (system: string): void => {
  const file = (name: string, text: string): void => {
    mkdirSync(path.join(system, path.dirname(name)), { recursive: true });
    writeFileSync(path.join(system, name), `${text}\n`);
  };
  const link = (name: string, to: string): void => {
    mkdirSync(path.join(system, path.dirname(name)), { recursive: true });
    symlinkSync(path.join(system, to), path.join(system, name));
  };
  const device = (number: string, folder: string): void => {
    file(`${folder}/dev`, number);
    link(`dev/block/${number}`, folder);
  };
  device('8:0', 'devices/sda');
  device('8:16', 'devices/sdb');
  for (const [number, name] of [
    ['8:1', 'sda/sda1'],
    ['8:2', 'sda/sda2'],
    ['8:17', 'sdb/sdb1'],
  ] as const) {
    device(number, `devices/${name}`);
    file(`devices/${name}/partition`, '1');
  }
  device('253:0', 'devices/dm-0');
  link('devices/dm-0/slaves/sda1', 'devices/sda/sda1');
  device('253:1', 'devices/dm-1');
  link('devices/dm-1/slaves/dm-0', 'devices/dm-0');
  device('7:0', 'devices/loop0');
  file('devices/loop0/loop/backing_file', '/srv/images/a.img');
  device('7:1', 'devices/loop1');
  file('devices/loop1/loop/backing_file', '/größe/a.img');
  link('fs/btrfs/1234/devices/sda2', 'devices/sda/sda2');
  link('fs/btrfs/1234/devices/sdb1', 'devices/sdb/sdb1');
};

const mounts = parseMountTable(`1 0 253:1 / /srv rw - ext4 /dev/mapper/vg-srv rw
2 0 7:0 / /srv/guest rw - xfs /dev/loop0 rw
3 0 0:40 /@ /home rw - btrfs /dev/sda2 rw
4 0 253:1 /part /bind rw - ext4 /dev/mapper/vg-srv rw
5 0 0:5 / /run rw - tmpfs tmpfs rw
6 0 8:16 / /cdrom ro - iso9660 /dev/sdb ro`);

describe('file systems to be held', () => {
  let system: string;
  beforeAll(() => {
    system = mkdtempSync(path.join(tmpdir(), 'holdfast-sys-'));
    layDisks(system);
  });
  afterAll(() => rmSync(system, { recursive: true }));
  const chosen = (disks: readonly string[], kept: readonly string[] = []) =>
    chooseFilesystems({ system, mounts, disks: new Set(disks), kept: kept.map((file) => ({ path: file, what: 'it' })) });
  const places = (...args: Parameters<typeof chosen>): string[] =>
    chosen(...args).map(({ mountPoint, kept }) => (kept ? `(${mountPoint})` : mountPoint));

  it('are found through partitions, LUKS, LVM, loop devices and btrfs, once each, those in files of others first', () => {
    expect([...beneath('7:0', { system, mounts }).disks].sort()).toEqual(['253:0', '253:1', '7:0', '8:0']);
    expect(places(['8:0'])).toEqual(['/srv/guest', '/srv', '/home']);
    expect(places(['8:16'])).toEqual(['/home']);
    expect(chosen(['8:16'])[0]!.blocks).toEqual(['8:2', '8:17']);
    expect(places(['7:0'])).toEqual(['/srv/guest']);
    expect(places(['8:32'])).toEqual([]);
  });

  it('are found below files whatever these are called', () => {
    const named = parseMountTable('1 0 8:16 / /größe rw - ext4 /dev/sdb rw');
    expect([...beneath('7:1', { system, mounts: named }).filesystems]).toEqual(['8:16']);
  });

  it('are kept when a file on them is needed, with all that file lies in', () => {
    expect(places(['8:0'], ['/home/agent/state'])).toEqual(['/srv/guest', '/srv', '(/home)']);
    expect(places(['8:0'], ['/srv/state'])).toEqual(['/srv/guest', '(/srv)', '/home']);
    expect(places(['8:0'], ['/srv/guest/state'])).toEqual(['(/srv/guest)', '(/srv)', '/home']);
    expect(places(['8:0'], ['/run/holdfast'])).toEqual(places(['8:0']));
  });
});
