import { whyNotMounted } from './why-not.ts';

const FILE_SYSTEMS = ['ext4', 'xfs'];

test('file systems are mounted', () => {
  expect(FILE_SYSTEMS.map((type) => whyNotMounted(type, FILE_SYSTEMS))).toEqual([undefined, undefined]);
});

test.each([
  ['LVM2_member', 'vgimportclone'],
  ['crypto_LUKS', 'cryptsetup open'],
  ['linux_raid_member', 'mdadm --assemble'],
  ['zfs_member', 'zpool import'],
])('of %s it is told what to do', (type, what) => {
  expect(whyNotMounted(type, FILE_SYSTEMS)).toContain(what);
  expect(whyNotMounted(type, FILE_SYSTEMS)).toContain('holdfast vault serve');
});

test('of anything else that it cannot be', () => {
  expect(whyNotMounted('', FILE_SYSTEMS)).toBe('nothing known is on it');
  expect(whyNotMounted('ext5', FILE_SYSTEMS)).toContain('no file system');
  expect(whyNotMounted('toString', FILE_SYSTEMS)).toContain('no file system');
});
