import { whyNotMounted } from './why-not.ts';

test('file systems are mounted', () => {
  expect(['ext4', 'xfs'].map(whyNotMounted)).toEqual([undefined, undefined]);
});

test.each([
  ['crypto_LUKS', 'cryptsetup open'],
  ['linux_raid_member', 'mdadm --assemble'],
  ['zfs_member', 'zpool import'],
])('of %s it is told what to do', (type, what) => {
  expect(whyNotMounted(type)).toContain(what);
  expect(whyNotMounted(type)).toContain('holdfast vault serve');
});

test('of a member of a volume group that its volumes are', () => {
  expect(whyNotMounted('LVM2_member')).toContain('logical volumes');
});

test('of anything else that it cannot be', () => {
  expect(whyNotMounted('')).toBe('nothing known is on it');
  expect(whyNotMounted('ext5')).toContain('no file system');
  expect(whyNotMounted('toString')).toContain('no file system');
});
