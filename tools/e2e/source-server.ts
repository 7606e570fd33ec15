import { execFile } from 'node:child_process';
import { copyFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { type Qemu, startQemu } from '../guest/qemu.ts';
import { QEMU_DESCRIPTORS } from '../guest/qemu-arguments.ts';
import { type ConsoleSession, openSession } from '../recovery/console-session.ts';
import { createLedgerRecord, type LedgerRecord } from './ledger-record.ts';

const run = promisify(execFile);
const OVMF = '/usr/share/OVMF';

/** A server that starts from its own disk, on hardware that is not that of recovered machines: another board, another network card's name. */
export interface SourceServer {
  readonly console: ConsoleSession;
  /** What its ledger said outside of it. */
  readonly ledger: LedgerRecord;
  /** Process of QEMU. */
  readonly pid: number;
  /** Resolves when it is off. */
  readonly ended: Promise<string>;
  /** A power cut. */
  kill(): void;
}

export interface SourceServerOptions {
  /** Of an image that stays as it is. */
  readonly image: string;
  readonly uefi: boolean;
  readonly memoryMiB: number;
  /** Keeps what it writes, and what it says on its console. */
  readonly directory: string;
}

const object = (option: string, properties: object): string[] => [option, JSON.stringify(properties)];

/** Switches it on; nothing of it outlives this process. The host's loopback is 10.0.2.2 there. */
export const startSourceServer = async ({ image, uefi, memoryMiB, directory }: SourceServerOptions): Promise<SourceServer> => {
  const disk = path.join(directory, 'source.qcow2');
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', image, '-F', 'raw', disk]);
  const variables = path.join(directory, 'source.vars');
  if (uefi) await copyFile(`${OVMF}/OVMF_VARS_4M.fd`, variables);
  const firmware = [
    `if=pflash,format=raw,unit=0,readonly=on,file=${OVMF}/OVMF_CODE_4M.fd`,
    `if=pflash,format=raw,unit=1,file=${variables}`,
  ];
  const args = [
    ...['-accel', 'tcg,thread=single', '-cpu', 'max', '-machine', 'pc', '-smp', '1', '-m', `${memoryMiB}`],
    ...['-no-user-config', '-nodefaults', '-display', 'none', '-vga', 'none', '-rtc', 'base=utc'],
    ...(uefi ? firmware.flatMap((drive) => ['-drive', drive]) : []),
    // Linux calls it ens3 for this place; first, before another device takes it.
    ...['-netdev', 'user,id=network', ...object('-device', { driver: 'virtio-net-pci', netdev: 'network', addr: '3', romfile: '' })],
    ...['-chardev', `socket,id=qmp,fd=${QEMU_DESCRIPTORS.qmp}`, '-mon', 'chardev=qmp,mode=control'],
    ...['-chardev', `socket,id=console,fd=${QEMU_DESCRIPTORS.console},logfile=${path.join(directory, 'source-console.log')}`],
    ...['-serial', 'chardev:console', '-chardev', `socket,id=ledger,fd=${QEMU_DESCRIPTORS.jobs}`],
    ...object('-device', { driver: 'virtio-serial-pci' }),
    ...object('-device', { driver: 'virtserialport', chardev: 'ledger', name: 'ledger' }),
    ...object('-device', { driver: 'virtio-rng-pci' }),
    ...object('-blockdev', {
      driver: 'qcow2',
      'node-name': 'disk',
      discard: 'unmap',
      file: { driver: 'file', filename: disk, discard: 'unmap' },
    }),
    ...object('-device', { driver: 'virtio-blk-pci', drive: 'disk', bootindex: 1 }),
  ];
  const qemu: Qemu = await startQemu(args);
  return {
    console: openSession(qemu.console),
    ledger: createLedgerRecord(qemu.jobs),
    pid: qemu.pid,
    ended: qemu.ended,
    kill: () => qemu.kill(),
  };
};
