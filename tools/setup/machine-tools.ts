/** What `tools/` and the live tests need on the machine beyond npm, and what each thing is for. */

/** A set of tools wanted together; ask for the ones a command uses, not for all. */
export type ToolGroup = 'filesystems' | 'nbd' | 'load' | 'guest' | 'reader' | 'services' | 'databases' | 'network';

export interface MachineTool {
  /** The Debian package. */
  readonly apt: string;
  /** What is there when the package is: a command on the PATH, or a file when it starts with `/`. */
  readonly proof: string;
  readonly purpose: string;
  readonly groups: readonly ToolGroup[];
}

export const MACHINE_TOOLS: readonly MachineTool[] = [
  { apt: 'mount', proof: 'losetup', purpose: 'loop devices, mounts', groups: ['filesystems', 'guest'] },
  { apt: 'e2fsprogs', proof: 'mkfs.ext4', purpose: 'ext4: make, check', groups: ['filesystems', 'guest'] },
  { apt: 'xfsprogs', proof: 'mkfs.xfs', purpose: 'XFS: make, check', groups: ['filesystems'] },
  { apt: 'lvm2', proof: 'lvm', purpose: 'volume groups: made for the specs of boot adaptation, never activated', groups: ['filesystems'] },
  { apt: 'btrfs-progs', proof: 'mkfs.btrfs', purpose: 'btrfs: make, check', groups: ['filesystems'] },
  { apt: 'dosfstools', proof: 'mkfs.vfat', purpose: 'FAT: make', groups: ['filesystems'] },
  { apt: 'fdisk', proof: 'sfdisk', purpose: 'partition tables for the manifest', groups: ['filesystems'] },
  {
    apt: 'iproute2',
    proof: 'ip',
    purpose: 'interfaces and routes for the manifest; network namespaces',
    groups: ['filesystems', 'network'],
  },
  { apt: 'iptables', proof: 'iptables-nft', purpose: 'packets that are lost, between programs in network namespaces', groups: ['network'] },
  { apt: 'util-linux', proof: 'nsenter', purpose: 'programs in network namespaces', groups: ['network'] },
  { apt: 'fuse3', proof: 'fusermount3', purpose: 'unmounting what nbdfuse mounts', groups: ['nbd'] },
  { apt: 'libnbd-bin', proof: 'nbdfuse', purpose: 'nbdcopy, nbdinfo, nbdfuse: a client that is not ours', groups: ['nbd'] },
  { apt: 'nbdkit', proof: 'nbdkit', purpose: 'an NBD server that is not ours, with filters', groups: ['nbd'] },
  { apt: 'qemu-utils', proof: 'qemu-img', purpose: 'qemu-img, qemu-io, qemu-nbd: compare, convert, serve', groups: ['nbd', 'guest'] },
  { apt: 'fio', proof: 'fio', purpose: 'write load', groups: ['load'] },
  { apt: 'lz4', proof: 'lz4', purpose: 'the pipe the vault is measured against', groups: ['load'] },
  { apt: 'openssl', proof: 'openssl', purpose: 'the pipe the vault is measured against', groups: ['load'] },
  { apt: 'restic', proof: 'restic', purpose: 'the backup that growth of a vault is measured against', groups: ['load'] },
  { apt: 'qemu-system-x86', proof: 'qemu-system-x86_64', purpose: 'the machine a guest runs on', groups: ['guest'] },
  { apt: 'ovmf', proof: '/usr/share/OVMF', purpose: 'UEFI firmware for recovered machines', groups: ['guest'] },
  { apt: 'syslinux', proof: 'syslinux', purpose: 'the boot loader of the mini image', groups: ['guest'] },
  { apt: 'syslinux-common', proof: '/usr/lib/syslinux/mbr/mbr.bin', purpose: 'its master boot record', groups: ['guest'] },
  { apt: 'syslinux-efi', proof: '/usr/lib/SYSLINUX.EFI', purpose: 'the same for UEFI', groups: ['guest'] },
  { apt: 'mtools', proof: 'mformat', purpose: 'the FAT partition of the mini image', groups: ['guest'] },
  { apt: 'kmod', proof: 'depmod', purpose: 'which modules the mini image needs', groups: ['guest'] },
  { apt: 'mmdebstrap', proof: 'mmdebstrap', purpose: "a guest's Debian", groups: ['guest'] },
  { apt: 'python3', proof: '/usr/bin/python3', purpose: 'the second reader of the vault format', groups: ['reader'] },
  {
    apt: 'python3-cryptography',
    proof: '/usr/lib/python3/dist-packages/cryptography',
    purpose: 'keys and AES-GCM for the second reader',
    groups: ['reader'],
  },
  { apt: 'python3-lz4', proof: '/usr/lib/python3/dist-packages/lz4', purpose: 'lz4 for the second reader', groups: ['reader'] },
  {
    apt: 'python3-zstandard',
    proof: '/usr/lib/python3/dist-packages/zstandard',
    purpose: 'Zstandard for the second reader',
    groups: ['reader'],
  },
  { apt: 'postgresql', proof: '/usr/lib/postgresql', purpose: 'a database to hold still, by its own script', groups: ['databases'] },
  { apt: 'mariadb-server', proof: 'mariadbd', purpose: 'another one', groups: ['databases'] },
  { apt: 'systemd', proof: 'systemd-analyze', purpose: 'checking the service units; it is not started', groups: ['services'] },
];

/** What `npm test` needs: databases are for campaigns only (`x.long.spec.ts`). */
export const TOOL_GROUPS: readonly ToolGroup[] = ['filesystems', 'nbd', 'load', 'guest', 'reader', 'services', 'network'];
