/** What goes into a guest image. Any change makes another image; see image.ts. */
export interface GuestRecipe {
  /** Names the image in the cache; only the newest image of a name is kept. */
  readonly name: string;
  /** Debian release. */
  readonly suite: string;
  readonly packages: readonly string[];
  /** Paths that are left out of every package, as dpkg's `path-exclude`. */
  readonly excluded: readonly string[];
  /** Kernel modules of the initramfs; what they depend on comes along. All others are loaded by udev from the root. */
  readonly bootModules: readonly string[];
  /** systemd units that a guest does not need and an emulated processor should not pay for. */
  readonly maskedUnits: readonly string[];
}

const modules = (...directories: string[]): string[] => directories.map((directory) => `/lib/modules/*/kernel/${directory}/*`);

/**
 * A Debian 12 server with its ordinary kernel: the cloud kernel boots as fast but has neither 9p nor SATA.
 * systemd is pid 1 so that units, orderly reboots and udev are the real ones.
 */
export const DEBIAN_12: GuestRecipe = {
  name: 'debian-12',
  suite: 'bookworm',
  packages: [
    ...['linux-image-amd64', 'kmod', 'busybox-static', 'systemd-sysv', 'udev', 'procps', 'iproute2', 'util-linux', 'fdisk', 'xz-utils'],
    ...['e2fsprogs', 'xfsprogs', 'btrfs-progs', 'mdadm', 'dmsetup', 'lvm2', 'cryptsetup-bin'],
    ...['nvme-cli', 'sg3-utils', 'nbd-client', 'fio'],
  ],
  excluded: [
    ...['/usr/share/doc/*', '/usr/share/man/*', '/usr/share/info/*', '/usr/share/locale/*', '/boot/System.map-*'],
    '/lib/modules/*/kernel/drivers/block/floppy.ko',
    ...modules('sound', 'arch/x86/kvm', 'drivers/cpufreq', 'drivers/i2c', 'net/wireless', 'net/mac80211', 'net/bluetooth'),
    ...modules('drivers/gpu', 'drivers/media', 'drivers/infiniband', 'drivers/iio', 'drivers/staging', 'drivers/hwmon', 'drivers/hid'),
    ...modules('drivers/video', 'drivers/comedi', 'drivers/isdn', 'drivers/bluetooth', 'drivers/platform', 'drivers/usb', 'drivers/input'),
    ...modules('drivers/net/wireless', 'drivers/net/ethernet/mellanox', 'drivers/net/ethernet/chelsio', 'drivers/net/ethernet/broadcom'),
  ],
  bootModules: ['virtio_pci', 'virtio_blk', 'virtio_console', 'ext4', 'overlay', '9pnet_virtio', '9p'],
  maskedUnits: [
    ...['apt-daily.timer', 'apt-daily-upgrade.timer', 'dpkg-db-backup.timer', 'e2scrub_all.timer', 'e2scrub_reap.service', 'fstrim.timer'],
    ...['mdcheck_start.timer', 'mdcheck_continue.timer', 'mdmonitor-oneshot.timer', 'systemd-tmpfiles-clean.timer'],
    ...[
      'systemd-firstboot.service',
      'systemd-hwdb-update.service',
      'systemd-journal-catalog-update.service',
      'systemd-update-done.service',
    ],
    ...['ldconfig.service', 'nvmf-autoconnect.service', 'systemd-logind.service', 'systemd-binfmt.service', 'systemd-pstore.service'],
    ...['systemd-sysusers.service', 'systemd-random-seed.service', 'systemd-journal-flush.service', 'systemd-user-sessions.service'],
    ...['systemd-update-utmp.service', 'systemd-update-utmp-runlevel.service', 'lvm2-monitor.service'],
    ...['getty@tty1.service', 'getty-static.service', 'serial-getty@ttyS0.service'],
  ],
};
