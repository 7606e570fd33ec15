#!/bin/sh
# Takes away what install.sh put here; run it as root. Settings, state and identity stay, so that it can be installed again and
# goes on; with --purge they are removed as well.
set -eu

real=$(readlink -f "$0")
here=${real%/*}
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

purge=no
for argument in "$@"; do
  case "$argument" in
    --purge) purge=yes ;;
    *) fail 2 SETTING_UNKNOWN "uninstall.sh: there is no $argument; give nothing, or --purge" ;;
  esac
done
[ "$(id -u)" = 0 ] || fail 3 NO_PERMISSION "uninstall.sh: only root may do this; run it with sudo"

# What is purged; what another bundle runs is not ours to remove.
purged=
if [ "$purge" = yes ]; then
  for service in $SERVICES; do
    [ "holdfast-$service" = "$NAME" ] || [ ! -e "$LIBRARY/holdfast-$service" ] || continue
    purged="$purged $service"
  done
fi
# Recovered machines run on without us, and their disks are in the state.
for service in $purged; do
  for cwd in /proc/[0-9]*/cwd; do
    case "$(readlink "$cwd" 2>/dev/null || true)" in
      "$STATE_DIRECTORY/$service/"*)
        process=${cwd%/cwd}
        fail 8 OPERATION_REFUSED "uninstall.sh: process ${process#/proc/} works in $STATE_DIRECTORY/$service, as a recovered machine does; end it, or leave --purge out"
        ;;
    esac
  done
  # One that is off is no less somebody's machine.
  for machine in "$STATE_DIRECTORY/$service"/recovery/vm/*/; do
    [ ! -d "$machine" ] || fail 8 OPERATION_REFUSED "uninstall.sh: in $machine are the disks of a recovered machine; move them elsewhere or remove them, or leave --purge out"
  done
done

if [ -n "$UNIT" ]; then
  if [ -d /run/systemd/system ] && [ -e "$UNITS/$UNIT" ]; then
    systemctl --quiet disable --now "$UNIT"
    rm -f "$UNITS/$UNIT"
    systemctl daemon-reload
  fi
  rm -f "$UNITS/$UNIT"
fi
if [ "$NAME" = holdfast-agent ]; then
  id=$(sed -n 's/.*"id": *"\([0-9a-f]\{32\}\)".*/\1/p' "$STATE_DIRECTORY/agent/identity/identity.json" 2>/dev/null | head -n 1)
  if [ -n "$id" ]; then
    # Else the kernel would go on noting writes for an agent that is not there, until the next start of the machine.
    rmdir "/sys/kernel/tracing/instances/holdfast-$id" 2>/dev/null || true
    rm -rf "/run/holdfast-$id" "/dev/shm/holdfast-$id"
    [ "$purge" = no ] || rm -rf "/run/holdfast-$id"-* "/dev/shm/holdfast-$id"-*
  fi
fi
for program in $PROGRAMS; do
  case "$(readlink "$LINKS/$program" 2>/dev/null || true)" in
    "$LIBRARY/$NAME/"*) rm -f "$LINKS/$program" ;;
    *) continue ;;
  esac
  # Another bundle may have brought it too.
  for other in holdfast holdfast-process-server holdfast-configuration-server; do
    if [ "$other" != "$NAME" ] && [ -x "$LIBRARY/$other/bin/$program" ]; then
      ln -sfn "$LIBRARY/$other/bin/$program" "$LINKS/$program"
    fi
  done
done
if [ -z "$UNIT" ]; then
  echo "$NAME is removed."
elif [ "$purge" = yes ]; then
  for service in $purged; do
    rm -f "$SETTINGS_DIRECTORY/$service.yaml"
    rm -rf "${STATE_DIRECTORY:?}/$service"
  done
  rmdir "$SETTINGS_DIRECTORY" "$STATE_DIRECTORY" 2>/dev/null || true
  echo "$NAME is removed, with its settings and its state."
else
  echo "$NAME is removed. Its settings and state are still in $SETTINGS_DIRECTORY and $STATE_DIRECTORY; --purge removes them."
fi
# Last, for this file is among them; the shell has read it by now.
rm -rf "$LIBRARY/$NAME" "$LIBRARY/$NAME"-[0-9]*
rmdir "$LIBRARY" 2>/dev/null || true
