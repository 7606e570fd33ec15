#!/bin/sh
# Makes what QEMU boots out of a fresh Debian tree: vmlinux, initrd and root.ext4.
# Usage, as root: NODE=PATH MODULES='…' MASKED='…' build.sh TREE OUTPUT
set -eu
tree=$1
output=$2
here=$(dirname "$0")
busybox=$tree/bin/busybox
release=$(ls "$tree/lib/modules")

# Our own files, owned by root whoever checked them out; Node; an empty machine id, which the kernel command line fills in.
cp -R --preserve=mode "$here/files/." "$tree/"
install -m 755 "$NODE" "$tree/usr/local/bin/node"
: >"$tree/etc/machine-id"
echo guest >"$tree/etc/hostname"
chroot "$tree" systemctl --quiet enable holdfast-guest.service
# shellcheck disable=SC2086 # a list
chroot "$tree" systemctl --quiet mask $MASKED

# The initramfs: busybox, the modules in the order they load, init. Newer first is what modprobe prints, once each is enough.
initramfs=$output/initramfs
mkdir -p "$initramfs/bin" "$initramfs/lib"
cp "$busybox" "$initramfs/bin/busybox"
install -m 755 "$here/init" "$initramfs/init"
for module in $MODULES; do
  chroot "$tree" modprobe --set-version "$release" --show-depends "$module"
done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r file; do
  cp "$tree$file" "$initramfs/lib/"
  basename "$file"
done >"$initramfs/lib/order"
(cd "$initramfs" && find . | "$busybox" cpio -o -H newc) >"$output/initrd"
rm -r "$initramfs"

# The kernel, unpacked: QEMU starts an ELF kernel at its PVH entry, and unpacking xz in an emulated processor would take longer
# than the rest of its boot. Offsets are those of the boot protocol, Documentation/x86/boot.rst: setup_sects (0x1f1),
# payload_offset (0x248), payload_length (0x24c); the last four bytes of the payload are its unpacked size.
kernel=$tree/boot/vmlinuz-$release
number() { od -An -t "u$2" -j "$1" -N "$2" "$kernel" | tr -d ' '; }
start=$((($(number 497 1) + 1) * 512 + $(number 584 4)))
length=$(($(number 588 4) - 4))
tail -c "+$((start + 1))" "$kernel" | head -c "$length" | chroot "$tree" xz --decompress >"$output/vmlinux"
echo "$release" >"$output/release"

# The root disk. It is only ever read, so it needs no journal and no room to grow.
rm -rf "$tree/boot" "$tree/var/cache/apt" "$tree/var/lib/apt/lists"
megabytes=$(($(du -sm "$tree" | cut -f 1) * 11 / 10 + 32))
mkfs.ext4 -q -O ^has_journal -m 0 -d "$tree" "$output/root.ext4" "${megabytes}M"
