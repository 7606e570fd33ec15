#!/bin/bash
# Runs inside the guest, as the unit holdfast-guest: carries out what the host puts on the desk, a directory both can see.
# Lines from the host: `run JOB`, `kill JOB`. Lines to the host: `ready`, `done JOB STATUS`. A job is a directory on the desk;
# jobs run side by side, each as a process group of its own, and may leave programs running.
desk=/run/desk
port=/dev/virtio-ports/holdfast
export HOME=/root

run() {
  local job=$desk/$1
  # A shell has what it starts in the background ignore SIGINT and SIGQUIT; a script must not inherit that.
  setsid env --default-signal bash "$job/script" </dev/null >"$job/stdout" 2>"$job/stderr" 3>&- &
  echo $! >"/run/job-$1"
  wait $!
  echo "done $1 $?" >&3
  rm "/run/job-$1"
}

until [ -c "$port" ]; do sleep 0.1; done
exec 3<>"$port"
cd /root || exit

systemctl is-system-running --wait >/dev/null
udevadm settle
echo ready >&3

while read -r verb job <&3; do
  case $verb in
    run) run "$job" & ;;
    kill) kill -KILL -- "-$(<"/run/job-$job")" ;;
  esac
done
