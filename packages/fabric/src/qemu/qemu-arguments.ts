import { RECOVERY_PORT } from '@holdfast/protocol';
import type { MachineRequest } from '../fabric.ts';
import type { DiskController, DiskShape, NetworkShape } from '../machine-shape.ts';
import type { Acceleration } from './acceleration.ts';
import type { MachineDirectory } from './machine-directory.ts';
import { tagOf } from './process-of.ts';

export interface QemuPlan {
  readonly request: MachineRequest;
  readonly directory: MachineDirectory;
  readonly acceleration: Acceleration;
  /** Version of QEMU, `7.2`. */
  readonly version: number;
  /** Code of the firmware, for UEFI. */
  readonly uefiCode: string | undefined;
  /** Disks whose overlays need their source no more, by position. */
  readonly hydrated: readonly boolean[];
  /** Stops before the first instruction. */
  readonly held: boolean;
}

/**
 * Seconds for which a request waits for a server that is away before the machine is paused; with the 12 that a read may take, well below the 30 after which
 * a SATA disk of Linux gives up: a pause later than that would be an error inside.
 */
const RECONNECT_SECONDS = 5;
/** Threads for the processors need a QEMU that does not run stale code: its commit deba78709ae8. */
const THREADED_TCG = 8.1;
const SATA_PORTS = 6;

/** The old option syntax ends a value at a comma, two commas are one. */
const escaped = (value: string): string => value.replaceAll(',', ',,');
const object = (option: string, properties: object): string[] => [option, JSON.stringify(properties)];

export const nodeOf = (index: number): string => `disk${index}`;
export const baseOf = (index: number): string => `base${index}`;
const deviceOf = (index: number): string => `device${index}`;

const blockNodes = ({ source }: DiskShape, index: number, { directory, hydrated }: QemuPlan): string[] => {
  const node = { 'node-name': nodeOf(index), discard: 'unmap' };
  if (source.kind === 'file')
    return object('-blockdev', { ...node, driver: source.format, file: { driver: 'file', filename: source.path, discard: 'unmap' } });
  const file = { driver: 'file', filename: directory.overlay(index), discard: 'unmap' };
  if (hydrated[index]) return object('-blockdev', { ...node, driver: 'qcow2', file, backing: null });
  const server = { type: 'unix', path: source.socket };
  const base = { driver: 'nbd', 'node-name': baseOf(index), server, export: source.export, 'reconnect-delay': RECONNECT_SECONDS };
  return [
    ...object('-blockdev', { ...base, 'read-only': true }),
    ...object('-blockdev', { ...node, driver: 'qcow2', file, backing: baseOf(index) }),
  ];
};

/** Where the n-th disk of a controller hangs, and the controllers needed for so many. */
const CONTROLLERS: Readonly<
  Record<DiskController, { readonly disk: (n: number) => object; readonly hosts: (count: number) => readonly object[] }>
> = {
  virtio: { disk: () => ({ driver: 'virtio-blk-pci' }), hosts: () => [] },
  nvme: { disk: () => ({ driver: 'nvme' }), hosts: () => [] },
  scsi: {
    disk: (n) => ({ driver: 'scsi-hd', bus: 'scsi.0', 'scsi-id': n }),
    hosts: () => [{ driver: 'virtio-scsi-pci', id: 'scsi' }],
  },
  pvscsi: {
    // The controller itself takes id 7.
    disk: (n) => ({ driver: 'scsi-hd', bus: 'pvscsi.0', 'scsi-id': n < 7 ? n : n + 1 }),
    hosts: () => [{ driver: 'pvscsi', id: 'pvscsi' }],
  },
  sata: {
    disk: (n) => ({ driver: 'ide-hd', bus: `ahci${Math.floor(n / SATA_PORTS)}.${n % SATA_PORTS}` }),
    hosts: (count) => Array.from({ length: Math.ceil(count / SATA_PORTS) }, (_, n) => ({ driver: 'ich9-ahci', id: `ahci${n}` })),
  },
};

const diskDevices = (disks: readonly DiskShape[]): string[] => {
  const counts = new Map<DiskController, number>();
  const devices = disks.flatMap(({ id, controller, boot, serial = id.slice(0, 20), sectorBytes = 512 }, index) => {
    const n = counts.get(controller) ?? 0;
    counts.set(controller, n + 1);
    const sectors = sectorBytes === 512 ? {} : { logical_block_size: sectorBytes, physical_block_size: sectorBytes };
    // A machine that is paused at an error sees none: it is tried again when it goes on.
    const errors = controller === 'nvme' ? {} : { rerror: 'stop', werror: 'stop' };
    const place = { drive: nodeOf(index), id: deviceOf(index), serial, bootindex: (boot ? 1 : 100) + index };
    return object('-device', { ...CONTROLLERS[controller].disk(n), ...place, ...errors, ...sectors });
  });
  const hosts = [...counts].flatMap(([controller, count]) => CONTROLLERS[controller].hosts(count));
  return [...hosts.flatMap((host) => object('-device', host)), ...devices];
};

const CARDS = { virtio: 'virtio-net-pci', e1000e: 'e1000e', e1000: 'e1000', vmxnet3: 'vmxnet3' } as const;

/** Of the machine and the position, in the range for addresses that were given locally. */
const macOf = (operationId: string, index: number): string =>
  ['52', '54', operationId.slice(0, 2), operationId.slice(2, 4), operationId.slice(4, 6), index.toString(16).padStart(2, '0')].join(':');

/** Name of the host's end of a cable to a bridge: at most 15 characters. */
export const tapOf = (operationId: string, index: number): string => `hf${operationId.slice(0, 10)}${index}`;

const networkDevices = ({ operationId, shape: { networks } }: MachineRequest): string[] =>
  networks.flatMap(({ model, mac, attachment }: NetworkShape, index) => {
    const id = `network${index}`;
    const end = {
      none: () => `hubport,id=${id},hubid=${index}`,
      isolated: () => {
        const forwards = attachment.kind === 'isolated' ? (attachment.forwards ?? []) : [];
        const rules = forwards.map(({ guestPort, hostPort }) => `,hostfwd=tcp:127.0.0.1:${hostPort}-:${guestPort}`);
        return `user,id=${id},restrict=on${rules.join('')}`;
      },
      bridge: () => `tap,id=${id},ifname=${tapOf(operationId, index)},script=no,downscript=no`,
    }[attachment.kind]();
    // Without its ROM: nobody starts a recovered machine from the network, and looking for it takes time.
    return [
      '-netdev',
      end,
      ...object('-device', { driver: CARDS[model], netdev: id, mac: mac ?? macOf(operationId, index), id: `card${index}`, romfile: '' }),
    ];
  });

/** `0123…` as a UUID. */
const uuidOf = (id: string): string => id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

const acceleration = ({ acceleration: kind, version }: QemuPlan): string[] =>
  kind === 'kvm'
    ? ['-accel', 'kvm', '-cpu', 'host']
    : ['-accel', `tcg,thread=${version >= THREADED_TCG ? 'multi' : 'single'}`, '-cpu', 'max'];

const firmware = ({ uefiCode, directory }: QemuPlan): string[] =>
  uefiCode === undefined
    ? []
    : [
        ...['-drive', `if=pflash,format=raw,unit=0,readonly=on,file=${escaped(uefiCode)}`],
        ...['-drive', `if=pflash,format=raw,unit=1,file=${escaped(directory.variables)}`],
      ];

/** Where the agent inside tells that it knows what became of its machine. */
const agentPort = ({ agentLog }: MachineDirectory): string[] => [
  ...['-chardev', `file,id=agent,path=${escaped(agentLog)},append=on`, ...object('-device', { driver: 'virtio-serial-pci' })],
  ...object('-device', { driver: 'virtserialport', chardev: 'agent', name: RECOVERY_PORT }),
];

/** QEMU's arguments for one start of a machine. */
export const qemuArguments = (plan: QemuPlan): string[] => {
  const { request, directory, held } = plan;
  const { operationId, shape } = request;
  const identity = `manufacturer=Holdfast,product=Recovered machine,serial=${operationId},uuid=${uuidOf(operationId)}`;
  return [
    ...['-name', `guest=${tagOf(operationId)}`, '-uuid', uuidOf(operationId), '-smbios', `type=1,${identity}`],
    ...['-machine', 'q35', ...acceleration(plan), '-smp', `${shape.cpus}`, '-m', `${Math.floor(shape.memoryBytes / 2 ** 20)}M`],
    ...['-no-user-config', '-nodefaults', '-display', 'none', '-vga', 'std', '-vnc', `unix:${escaped(directory.screenSocket)}`],
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny', '-msg', 'timestamp=on'],
    ...['-pidfile', directory.life, '-rtc', 'base=utc', '-boot', 'strict=on', ...(held ? ['-S'] : []), ...firmware(plan)],
    ...['-chardev', `socket,id=qmp,path=${escaped(directory.qmpSocket)},server=on,wait=off`, '-mon', 'chardev=qmp,mode=control'],
    ...['-chardev', `socket,id=console,path=${escaped(directory.consoleSocket)},server=on,wait=off,${logOptions(directory)}`],
    ...['-serial', 'chardev:console', ...object('-device', { driver: 'virtio-rng-pci' })],
    ...shape.disks.flatMap((disk, index) => blockNodes(disk, index, plan)),
    ...diskDevices(shape.disks),
    ...networkDevices(request),
    // Last, so that nothing else has another place for it.
    ...agentPort(directory),
  ];
};

const logOptions = ({ consoleLog }: MachineDirectory): string => `logfile=${escaped(consoleLog)},logappend=on`;
