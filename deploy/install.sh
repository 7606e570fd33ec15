#!/bin/sh
# Installs what lies beside this file, or upgrades what was installed before: run it as root, as often as you like.
# Settings, state and identity that are there stay as they are. Exit statuses: docs/errors.md.
set -eu
umask 022
# Root that came by `su` has the PATH of whoever it was, without useradd.
PATH="$PATH:/usr/sbin:/sbin"

here=$(CDPATH='' cd "$(dirname "$0")" && pwd -P)
. "$here/bundle.env"

LIBRARY=/opt/holdfast
LINKS=/usr/local/bin
SETTINGS_DIRECTORY=/etc/holdfast
STATE_DIRECTORY=/var/lib/holdfast
UNITS=/etc/systemd/system

fail() { # status, code, message
  echo "[$2] $3" >&2
  exit "$1"
}

[ "$(id -u)" = 0 ] || fail 3 NO_PERMISSION "install.sh: only root may install; run it with sudo"
[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] ||
  fail 5 UNSUPPORTED_OPERATION "install.sh: this bundle is for Linux on x86_64, not $(uname -s) on $(uname -m); get the one for this machine"
(cd "$here" && sha256sum -c --quiet SHA256SUMS) >&2 ||
  fail 7 DAMAGED "$here: a file is not what was packed; unpack the bundle again"
"$here/lib/node" --version >/dev/null ||
  fail 5 UNSUPPORTED_OPERATION "$here/lib/node: it does not run here; glibc 2.28 and libstdc++ of gcc 8 or newer are needed"

# The program: put beside the one that runs, and taken into use by renaming a link.
target="$LIBRARY/$NAME-$VERSION"
mkdir -p "$LIBRARY" "$LINKS"
rm -rf "$target.new" "$target.old"
cp -R "$here" "$target.new"
chown -R 0:0 "$target.new"
chmod -R u=rwX,go=rX "$target.new"
[ ! -e "$target" ] || mv "$target" "$target.old"
mv "$target.new" "$target"
ln -sfn "$NAME-$VERSION" "$LIBRARY/$NAME.new"
mv -T "$LIBRARY/$NAME.new" "$LIBRARY/$NAME"
for program in $PROGRAMS; do
  # What a bundle of its own has installed is newer, or as new: it stays.
  case "$(readlink "$LINKS/$program" 2>/dev/null || true)" in
    "$LIBRARY/$program/"*) [ "$program" = "$NAME" ] || [ ! -e "$LINKS/$program" ] || continue ;;
  esac
  ln -sfn "$LIBRARY/$NAME/bin/$program" "$LINKS/.$program.new"
  mv -T "$LINKS/.$program.new" "$LINKS/$program"
done
for old in "$LIBRARY/$NAME"-[0-9]*; do
  [ "$old" = "$target" ] || rm -rf "$old"
done

if [ -z "$UNIT" ]; then
  echo "$NAME $VERSION is installed: $LINKS/$NAME"
  exit 0
fi

user=$(sed -n 's/^User=//p' "$here/$UNIT")
if [ -n "$user" ] && ! id "$user" >/dev/null 2>&1; then
  useradd --system --user-group --home-dir "$STATE_DIRECTORY" --no-create-home --shell /usr/sbin/nologin "$user"
fi
mkdir -p "$SETTINGS_DIRECTORY" "$STATE_DIRECTORY"
for service in $SERVICES; do
  state="$STATE_DIRECTORY/$service"
  if [ ! -d "$state" ]; then
    mkdir -m 700 "$state"
    [ -z "$user" ] || chown "$user:$user" "$state"
  fi
  settings="$SETTINGS_DIRECTORY/$service.yaml"
  if [ ! -e "$settings" ]; then
    cp "$here/settings/$service.yaml" "$settings.new"
    # It may hold secrets one day.
    chmod 640 "$settings.new"
    [ -z "$user" ] || chgrp "$user" "$settings.new"
    mv "$settings.new" "$settings"
  fi
done

if [ ! -d /run/systemd/system ]; then
  echo "$NAME $VERSION is installed. There is no systemd here: see to it that \`$NAME\` is started."
  exit 0
fi
# Beside it first: a disk that is full leaves the unit that is there.
cp "$here/$UNIT" "$UNITS/.$UNIT.new"
mv "$UNITS/.$UNIT.new" "$UNITS/$UNIT"
systemctl daemon-reload
systemctl --quiet enable "$UNIT"
systemctl restart "$UNIT"
echo "$NAME $VERSION is installed, and runs."
