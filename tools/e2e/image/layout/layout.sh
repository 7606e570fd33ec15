#!/bin/sh
# Lays a Debian tree on a disk that starts by itself, as an installer does: partitions, file systems, GRUB.
# Usage, as root: layout.sh bios-ext4|uefi-xfs|lvm TREE OUTPUT
set -eu
layout=$1
tree=$2
output=$3
size=3072
work=$output.work
disk=
loops=
finish() {
  for at in proc sys dev boot ''; do umount -l "$work/root/$at" 2>/dev/null || true; done
  [ -z "$disk" ] || partx --delete "$disk" 2>/dev/null || true
  for loop in $loops; do losetup --detach "$loop"; done
  rm -rf "$work"
}
trap finish EXIT
mkdir -p "$work/root"
truncate -s "${size}M" "$output"

case $layout in
  bios-ext4) printf 'label: dos\nstart=1MiB, type=83, bootable\n' ;;
  uefi-xfs) printf 'label: gpt\nstart=1MiB, size=63MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B\ntype=0FC63DAF-8483-4772-8E79-3D69D8477DE4\n' ;;
  lvm) printf 'label: dos\nstart=1MiB, size=255MiB, type=83, bootable\ntype=8e\n' ;;
esac | sfdisk --quiet "$output"
disk=$(losetup --find --show "$output")
loops=$disk
partx --add "$disk"
partition() { # START SIZE in MiB: a device for a part of the disk
  found=$(losetup --find --show --offset "$(($1 * 1048576))" --sizelimit "$(($2 * 1048576))" "$output")
  loops="$found $loops"
}
id() { blkid --probe --output value --match-tag UUID "$1"; }

boot=
case $layout in
  bios-ext4)
    # GRUB asks the kernel which partition its files are on.
    root=${disk}p1
    mkfs.ext4 -q "$root"
    where="UUID=$(id "$root")"
    type=ext4
    ;;
  uefi-xfs)
    partition 1 63
    esp=$found
    mkfs.vfat -F 32 "$esp" >/dev/null
    partition 64 $((size - 65))
    root=$found
    mkfs.xfs -q "$root"
    where="UUID=$(id "$root")"
    type=xfs
    ;;
  lvm)
    boot=${disk}p1
    mkfs.ext4 -q "$boot"
    partition 256 $((size - 256))
    # Nothing is activated: a host need have no device mapper. The same bytes are a partition of the whole disk too. LVM2 begins the first extent 1 MiB into a physical volume.
    set -- --driverloaded n --config "devices { use_devicesfile=0 filter=[ \"a|^$found\$|\", \"r|.*|\" ] } backup { backup=0 archive=0 } activation { udev_sync=0 udev_rules=0 }"
    lvm pvcreate "$@" "$found" >/dev/null
    lvm vgcreate "$@" ledger-vg "$found" >/dev/null
    lvm lvcreate "$@" -an -Zn -Wn -L $((size - 512))M -n root ledger-vg >/dev/null
    partition 257 $((size - 512))
    root=$found
    mkfs.ext4 -q "$root"
    where=/dev/mapper/ledger--vg-root
    type=ext4
    ;;
esac

mount -t "$type" "$root" "$work/root"
[ -z "$boot" ] || { mkdir "$work/root/boot" && mount -t ext4 "$boot" "$work/root/boot"; }
tar -C "$work/root" -xf "$tree" --numeric-owner --xattrs
release=$(ls "$work/root/lib/modules")
{
  echo "$where / $type defaults 0 1"
  [ -z "$boot" ] || echo "UUID=$(id "$boot") /boot ext4 defaults 0 2"
  [ "$layout" != uefi-xfs ] || echo "UUID=$(id "$esp") /boot/efi vfat umask=0077 0 1"
} >"$work/root/etc/fstab"

# The loader. Its settings are what update-grub writes, less what nobody reads here.
files=$(id "${boot:-$root}")
prefix=/boot
[ -z "$boot" ] || prefix=
mkdir -p "$work/root/boot/grub"
cat >"$work/root/boot/grub/grub.cfg" <<EOF
serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
set timeout=0
menuentry 'Debian GNU/Linux' --class debian {
	search --no-floppy --fs-uuid --set=root $files
	linux $prefix/vmlinuz-$release root=$where ro console=ttyS0,115200
	initrd $prefix/initrd.img-$release
}
EOF
if [ "$layout" = uefi-xfs ]; then
  mkdir "$work/root/boot/efi"
  printf 'search.fs_uuid %s root\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n' "$files" >"$work/grub.cfg"
  loader=$work/root/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed
  mmd -i "$esp" ::/EFI ::/EFI/debian ::/EFI/BOOT
  mcopy -i "$esp" "$loader" ::/EFI/debian/grubx64.efi
  mcopy -i "$esp" "$work/grub.cfg" ::/EFI/debian/grub.cfg
  # Its first start needs a file that firmware finds by itself; the server removes it then, as most have none.
  mcopy -i "$esp" "$loader" ::/EFI/BOOT/BOOTX64.EFI
else
  for at in proc sys dev; do mount --rbind --make-rslave "/$at" "$work/root/$at"; done
  chroot "$work/root" grub-install --target=i386-pc "$disk"
fi
