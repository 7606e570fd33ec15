const FILE_SYSTEMS = ['ext2', 'ext3', 'ext4', 'xfs', 'btrfs', 'vfat', 'exfat', 'ntfs', 'iso9660', 'f2fs', 'squashfs'];

/** Serving a point, then attaching all of its disks somewhere, is the way to what lies below a file system. */
const SERVE =
  'serve the point (`holdfast vault serve`), attach all of its disks by nbd-client, each over an overlay, to a machine that has';

const REASONS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    '': 'nothing known is on it',
    LVM2_member: 'it belongs to an LVM volume group, whose logical volumes stand by themselves',
    crypto_LUKS: `it is encrypted by LUKS; ${SERVE} cryptsetup and the passphrase, then \`cryptsetup open DEVICE NAME\``,
    linux_raid_member: `it belongs to a RAID of md, which stands by itself if it is a mirror; else ${SERVE} mdadm, then \`mdadm --assemble --run /dev/md/NAME DEVICE…\``,
    zfs_member: `it belongs to a ZFS pool; ${SERVE} ZFS, then \`zpool import -o readonly=on -R /mnt POOL\``,
    bcache: `it belongs to bcache; ${SERVE} bcache`,
    swap: 'it is swap space',
  }),
);

/** What to do about an array or a logical volume that is not opened here. */
export const ELSEWHERE_BY_LVM = `${SERVE} mdadm and lvm2, then \`vgimportclone --basevgname NAME DEVICE…\` (it may know the group already) and \`vgchange -ay NAME\``;

/** Why a volume with this signature is not mounted, and what to do; `undefined` when it can be. */
export const whyNotMounted = (type: string): string | undefined =>
  FILE_SYSTEMS.includes(type) ? undefined : (REASONS.get(type) ?? 'it is no file system that can be mounted by itself');
