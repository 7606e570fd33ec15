#!/bin/sh
# Turns a fresh Debian tree into a server of its own: network, PostgreSQL with a ledger, a client that writes into it. What depends on where the root
# lies is layout.sh's.
# Usage, as root: PASSWORD='…' MASKED='…' tree.sh TREE. The password is of its root, in tests.
set -eu
tree=$1
here=$(dirname "$0")

cp -R --preserve=mode "$here/files/." "$tree/"
: >"$tree/etc/machine-id"
echo ledger >"$tree/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 ledger\n' >"$tree/etc/hosts"
rm -f "$tree/etc/resolv.conf"
printf 'root:%s\n' "$PASSWORD" | chroot "$tree" chpasswd
# Lines that are typed come back as they were typed.
printf 'set enable-bracketed-paste off\nset horizontal-scroll-mode off\n' >"$tree/etc/inputrc"
chroot "$tree" systemctl --quiet enable ledger.service
# shellcheck disable=SC2086 # a list
chroot "$tree" systemctl --quiet mask $MASKED

# The database: no server runs here, so its own way for one statement.
cluster=$(ls -d "$tree"/var/lib/postgresql/*/main)
version=$(basename "$(dirname "$cluster")")
printf "jit = off\nshared_buffers = 32MB\nmax_connections = 20\n" >"$tree/etc/postgresql/$version/main/conf.d/small.conf"
echo 'create table ledger (n bigint primary key, payload text not null)' |
  chroot "$tree" setpriv --reuid postgres --regid postgres --init-groups \
    "/usr/lib/postgresql/$version/bin/postgres" --single -c dynamic_shared_memory_type=mmap -c "config_file=/etc/postgresql/$version/main/postgresql.conf" postgres >/dev/null

rm -rf "$tree/var/cache/apt" "$tree/var/lib/apt/lists"
