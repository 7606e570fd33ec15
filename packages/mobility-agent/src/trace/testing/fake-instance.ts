import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CommandEventFormat, RequestEventFormat } from '../event-format.ts';
import type { EventFormats, TraceInstance } from '../trace-instance.ts';
import { type WrittenRecord, writePage } from './page-writer.ts';

export const PAGE = 4096;

const format = (id: number): RequestEventFormat => ({ id, letter: 4, device: 2, error: 3, sector: 4, sectors: 6, words: 7 });

const FORMATS: EventFormats = { issue: format(11), complete: format(12), requeue: format(13), queue: format(14), end: format(15) };

const COMMANDS: CommandEventFormat = { id: 16, opcode: 2, command: 3, words: 4 };

export interface FakeEvent {
  readonly event: keyof EventFormats | 'foreign';
  readonly device: number;
  readonly sector: number;
  readonly sectors: number;
  /** Nanoseconds since the event before. */
  readonly delta: number;
  /** What is done, a write unless told. */
  readonly letter?: 'W' | 'D' | 'N';
  /** 0 unless told. */
  readonly error?: number;
  /** Leaves out the last field. */
  readonly short?: boolean;
}

/** A SCSI command on its way to whatever device. */
export interface FakeCommand {
  readonly event: 'command';
  readonly bytes: readonly number[];
  readonly delta: number;
}

const recordOf = (event: FakeEvent | FakeCommand): WrittenRecord => (event.event === 'command' ? commandOf(event) : requestOf(event));

const commandOf = ({ bytes, delta }: FakeCommand): WrittenRecord => {
  const packed = new Uint8Array(16);
  packed.set(bytes);
  const words = [COMMANDS.id, 0, bytes[0]!, bytes.length * 2 ** 16 + 16, ...new Uint32Array(packed.buffer)];
  return { delta: BigInt(delta), words };
};

const requestOf = ({ event, device, sector, sectors, delta, letter = 'W', error = 0, short }: FakeEvent): WrittenRecord => {
  const id = event === 'foreign' ? 99 : FORMATS[event].id;
  const words = [id, letter.charCodeAt(0), device, error, sector % 2 ** 32, Math.floor(sector / 2 ** 32), sectors];
  return { delta: BigInt(delta), words: short ? words.slice(0, -1) : words };
};

/**
 * Rings in files: what a reader has read of them is gone for its successors and is counted, as the kernel does it. Like the kernel's they
 * outlive the reader.
 */
export interface FakeRings {
  readonly instance: TraceInstance;
  /** Pages of events for each CPU; each page is one read. */
  fill(cpu: number, pages: readonly (readonly (FakeEvent | FakeCommand)[])[], lost?: bigint): void;
  /** Overwrites the records of the CPU's last page with zeroes. */
  spoil(cpu: number): void;
  readonly counters: { lost: number };
  remove(): void;
}

export const createFakeRings = (cpus: number): FakeRings => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-rings-'));
  const names = Array.from({ length: cpus }, (_, cpu) => join(folder, String(cpu)));
  for (const name of names) writeFileSync(name, '');
  const descriptors = names.map((name) => openSync(name, 'r'));
  const pages: number[][] = names.map(() => []);
  const counters = { lost: 0 };
  // Descriptors are shared, so that their position is the ring's; a copy of one is what a reader may close.
  const position = (cpu: number): number => Number(/pos:\s*(\d+)/.exec(readText(`/proc/self/fdinfo/${descriptors[cpu]}`))?.[1]);
  const instance: TraceInstance = {
    path: folder,
    cpus: names.map((_, cpu) => `cpu${cpu}`),
    subBufferBytes: PAGE,
    formats: FORMATS,
    commandFormat: COMMANDS,
    follow: () => {},
    tellIssues: () => {},
    difference: () => undefined,
    quietCommands: () => {},
    kilobytes: () => '64',
    counters: (cpu) => ({ lost: counters.lost, read: sum(pages[cpu]!.slice(0, position(cpu) / PAGE)) }),
    openRing: (cpu) => descriptors[cpu]!,
  };
  return {
    instance,
    counters,
    fill: (cpu, content, lost) => {
      for (const events of content) {
        pages[cpu]!.push(events.length);
        const page = writePage(PAGE, 1_000_000n, events.map(recordOf), lost);
        writeFileSync(names[cpu]!, new Uint8Array(page.buffer), { flag: 'a' });
      }
    },
    spoil: (cpu) => {
      const fd = openSync(names[cpu]!, 'r+');
      writeSync(fd, Buffer.alloc(PAGE - 16), 0, PAGE - 16, (pages[cpu]!.length - 1) * PAGE + 16);
      closeSync(fd);
    },
    remove: () => {
      for (const fd of descriptors) closeSync(fd);
      rmSync(folder, { recursive: true });
    },
  };
};

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

const readText = (path: string): string => {
  const fd = openSync(path, 'r');
  const bytes = Buffer.alloc(256);
  const length = readSync(fd, bytes);
  closeSync(fd);
  return bytes.toString('latin1', 0, length);
};
