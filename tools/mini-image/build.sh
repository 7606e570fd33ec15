#!/bin/sh
# Makes the disk of a small server out of Debian's kernel and busybox: a FAT partition that BIOS and UEFI start from, an ext4 root. Needs no root.
# Usage: MODULES='…' PASSWORD='…' build.sh PACKAGES OUTPUT, where PACKAGES has the unpacked packages. The password is of its root, in tests.
set -eu
packages=$1
output=$2
here=$(dirname "$0")
busybox=$packages/bin/busybox
release=$(ls "$packages/lib/modules")
work=$output.work
rm -rf "$work"
mkdir -p "$work/initramfs/bin" "$work/initramfs/lib" "$work/root"
trap 'rm -rf "$work"' EXIT

# Cylinders, heads and sectors are beyond what they could say.
entry() { printf '%s' "$1\\376\\377\\377$2\\376\\377\\377$3$4"; }

# The initramfs: busybox and modules, each after what it needs.
cp "$busybox" "$work/initramfs/bin/busybox"
install -m 755 "$here/init" "$work/initramfs/init"
depmod -b "$packages" "$release"
for module in $MODULES; do
  modprobe -d "$packages" --set-version "$release" --show-depends "$module"
done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r file; do
  cp "$file" "$work/initramfs/lib/"
  basename "$file"
done >"$work/initramfs/lib/order"
(cd "$work/initramfs" && find . | LC_ALL=C sort | "$busybox" cpio -o -H newc | gzip -n -6) >"$work/initrd.gz"

# The root.
cp -R --preserve=mode "$here/files/." "$work/root/"
for directory in bin dev proc sys run tmp var/www mnt; do mkdir -p "$work/root/$directory"; done
cp "$busybox" "$work/root/bin/busybox"
ln -s busybox "$work/root/bin/sh"
ln -s ../bin/busybox "$work/root/sbin/init"
printf 'root:%s:0:0:root:/:/bin/sh\n' "$("$busybox" mkpasswd -m sha512 -S holdfast "$PASSWORD")" >"$work/root/etc/passwd"
chmod 600 "$work/root/etc/passwd"
head -c 5242880 /dev/urandom >"$work/root/payload"
(cd "$work/root" && sha256sum payload >payload.sha256)

# The disk, 64 MiB: FAT of 40 MiB at 1 MiB, ext4 behind it.
truncate -s 64M "$output.partial"
dd if=/usr/lib/syslinux/mbr/mbr.bin of="$output.partial" bs=440 count=1 conv=notrunc status=none
# The partition table, by hand: sfdisk asks the kernel to write back every file system of the host first. An id; then status, type, first sector and number
# of sectors of each partition; then the signature.
printf 'DLOH\0\0'"$(entry '\200' '\357' '\0\010\0\0' '\0\100\001\0')$(entry '\0' '\203' '\0\110\001\0' '\0\270\0\0')" |
  dd of="$output.partial" bs=1 seek=440 conv=notrunc status=none
printf '\125\252' | dd of="$output.partial" bs=1 seek=510 conv=notrunc status=none
fat="$output.partial@@1M"
export MTOOLS_SKIP_CHECK=1
mformat -i "$fat" -F -T 81920 -h 64 -s 32 -H 2048 -v HOLDFAST ::
syslinux --install -t 1048576 "$output.partial"
mmd -i "$fat" ::/EFI ::/EFI/BOOT
mcopy -i "$fat" "$packages/boot/vmlinuz-$release" ::/vmlinuz
mcopy -i "$fat" "$work/initrd.gz" ::/initrd.gz
mcopy -i "$fat" "$here/syslinux.cfg" ::/syslinux.cfg
mcopy -i "$fat" /usr/lib/SYSLINUX.EFI/efi64/syslinux.efi ::/EFI/BOOT/BOOTX64.EFI
mcopy -i "$fat" /usr/lib/syslinux/modules/efi64/ldlinux.e64 ::/EFI/BOOT/ldlinux.e64
mcopy -i "$fat" "$here/syslinux.cfg" ::/EFI/BOOT/syslinux.cfg
truncate -s 23M "$work/root.ext4"
mkfs.ext4 -q -F -L holdfast-mini -m 0 -d "$work/root" "$work/root.ext4"
dd if="$work/root.ext4" of="$output.partial" bs=1M seek=41 conv=notrunc,sparse status=none
truncate -s 64M "$output.partial"
mv "$output.partial" "$output"
