import { mountOf, parseMountTable } from './mount-table.ts';

const TABLE = `22 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw,errors=remount-ro
23 22 0:21 / /proc rw,nosuid - proc proc rw
40 22 8:17 /sub /srv/with\\040space rw,relatime shared:7 master:2 - xfs /dev/sdb1 rw
41 22 8:33 / /media ro,relatime - ext4 /dev/sdc1 ro,noload
42 22 8:49 / /data ro,relatime - ext4 /dev/sdd1 rw
43 42 0:50 /@ /data/deep rw - btrfs /dev/sde rw,subvol=/@
44 42 8:65 / /data/deep rw - ext4 /dev/sdf rw
broken line
`;

describe('the table of mounts', () => {
  const mounts = parseMountTable(TABLE);

  it('is read with its escapes and optional fields; what only this mount forbids can be written through another', () => {
    expect(mounts).toHaveLength(7);
    expect(mounts[2]).toEqual({
      device: '8:17',
      root: '/sub',
      mountPoint: '/srv/with space',
      type: 'xfs',
      source: '/dev/sdb1',
      readOnly: false,
    });
    expect(mounts.map(({ readOnly }) => readOnly)).toEqual([false, false, false, true, false, false, false]);
  });

  it.each([
    ['/etc/passwd', '8:2'],
    ['/srv/with space/x', '8:17'],
    ['/srv/with spaces', '8:2'],
    ['/data', '8:49'],
    ['/data/deep/x', '8:65'],
  ])('%s is in %s', (path, device) => expect(mountOf(mounts, path)?.device).toBe(device));
});
