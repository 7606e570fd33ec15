import type { GuestDisk } from './disks.ts';
import type { SharedDirectory } from './qemu-arguments.ts';
import { quoted } from './shell.ts';

const DISK_PATIENCE_SECONDS = 60;

/** Addresses of QEMU's user network: the host's own loopback answers at 10.0.2.2. */
const NETWORK = `
interface=$(basename /sys/class/net/en*)
ip link set "$interface" up
ip address add 10.0.2.15/24 dev "$interface"
ip route add default via 10.0.2.2
echo nameserver 10.0.2.3 >/etc/resolv.conf
`;

/** Run first at every start: waits for the disks, mounts what the host shares, brings up the network. */
export const bootScript = (disks: readonly GuestDisk[], mounts: readonly (SharedDirectory & { at: string })[], network: boolean): string =>
  [
    'set -e',
    ...(disks.length === 0
      ? []
      : [`udevadm wait --timeout=${DISK_PATIENCE_SECONDS} ${disks.map(({ device }) => quoted(device)).join(' ')}`]),
    ...mounts.map(
      ({ tag, at }) => `mkdir -p ${quoted(at)} && mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000 ${tag} ${quoted(at)}`,
    ),
    network ? NETWORK : '',
  ].join('\n');
