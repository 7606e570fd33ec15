import { constants, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { onlineProcessors } from '../platform/processors.ts';
import { type CommandEventFormat, parseCommandEvent, parseRequestEvent, type RequestEventFormat, subBufferBytes } from './event-format.ts';
import type { PassThrough } from './pass-through.ts';

/** On before anything is told of issues: a request must not be seen to start by a trace that would not see it end. */
const ENDS = ['complete', 'requeue'] as const;
export type RequestEvent = (typeof ENDS)[number] | 'issue';

/** Events of bios, the end before the beginning for the same reason. They are off where nobody needs them: every bit of I/O of every disk is looked at. */
const BIO_EVENTS = ['end', 'queue'] as const;
type BioEvent = (typeof BIO_EVENTS)[number];
const BIO_NAMES = { queue: 'block_bio_queue', end: 'block_bio_complete' } as const;

/** Where the fields of each event lie; `queue` tells of bios, which may become requests, `end` of bios that never did. */
export type EventFormats = Readonly<Record<RequestEvent | BioEvent, RequestEventFormat>>;

/** A device to be followed, by its kernel number. */
export interface FollowedDevice {
  readonly device: number;
  /** Its discards are told of as they are queued, range by range, too. */
  readonly gathersDiscards: boolean;
  /** It has no requests: bios are told of, as they are queued and as they end. */
  readonly bioBased: boolean;
  /** What programs may hand to it past the block layer is told of too. */
  readonly passThrough: PassThrough | undefined;
}

/** Written in this order. The clock comes first: writing it, even the same value, empties the rings, so it is written only once. */
const SETTINGS: readonly (readonly [file: string, value: string])[] = [
  ['trace_clock', 'mono'],
  ['options/overwrite', '1'],
];

/** Kilobytes of a sub-buffer; writing it empties the rings. */
const SUB_BUFFER = 'buffer_subbuf_size_kb';

/** What the kernel counts of one ring; all since the instance was made. */
export interface RingCounters {
  /** Records handed out by reads. */
  readonly read: number;
  /** Records overwritten unread, plus those that found no room in the ring. */
  readonly lost: number;
}

/** An instance of the kernel's tracer of our own, recording the writes of some disks into one ring for each possible CPU. */
export interface TraceInstance {
  readonly path: string;
  /** Names of the possible CPUs' folders, in numeric order. */
  readonly cpus: readonly string[];
  readonly subBufferBytes: number;
  readonly formats: EventFormats;
  /** Of SCSI commands that come from programs; not where the kernel has no SCSI. */
  readonly commandFormat?: CommandEventFormat | undefined;
  /** Ends the telling of commands until a program hands over the next one. */
  quietCommands(): void;
  /** Records the writes of exactly these devices from now on; each event changes over without a gap. */
  follow(devices: readonly FollowedDevice[]): void;
  /**
   * Whether the requests of the devices that are followed are told of as they are issued, too; they are until this is called. Those that programs hand
   * over past the block layer are told of in either case.
   */
  tellIssues(told: boolean): void;
  /**
   * What is not as `createTraceInstance` and `follow` of one of these lists left it; `undefined` if all is. Issues may be told of or not; with no
   * list all has to be as this very object left it.
   */
  difference(kilobytes: string, ...follows: (readonly FollowedDevice[])[]): string | undefined;
  /** Kilobytes of each ring, as the kernel words them. */
  kilobytes(): string;
  counters(cpu: number): RingCounters;
  /** Opens a ring for non-blocking reads. */
  openRing(cpu: number): number;
}

/** "Not a read" rather than "a write": write-zeroes, discards and flushes with data have letters of their own. Device -1 does not exist. */
const filterOf = (devices: readonly FollowedDevice[]): string => `${oneOf(devices)} && !(rwbs ~ "R*")`;

const bioFilterOf = (event: BioEvent, devices: readonly FollowedDevice[]): string => {
  const all = filterOf(devices.filter(isBioBased));
  return event === 'end' ? all : `(${oneOf(devices.filter(gathers))} && rwbs ~ "D*") || (${all})`;
};

const oneOf = (devices: readonly FollowedDevice[]): string =>
  `(${devices.length === 0 ? 'dev == 4294967295' : devices.map(({ device }) => `dev == ${device}`).join(' || ')})`;

const takesScsiCommands = ({ passThrough }: FollowedDevice): boolean => passThrough === 'scsi';
const takesCommands = ({ passThrough }: FollowedDevice): boolean => passThrough !== undefined;

/** Of what is to be told of without every issue: what a program handed over, which has no place and no length. */
const HANDED_OVER = 'nr_sector == 0';

/** How the event of issued requests is set: what it lets pass, and whether it is on. */
interface IssueSetting {
  readonly filter: string;
  readonly enable: string;
}

const issueSetting = (devices: readonly FollowedDevice[], told: boolean): IssueSetting => {
  if (told) return { filter: filterOf(devices), enable: '1' };
  const commanded = devices.filter(takesCommands);
  return { filter: `${filterOf(commanded)} && ${HANDED_OVER}`, enable: commanded.length > 0 ? '1' : '0' };
};

const gathers = ({ gathersDiscards }: FollowedDevice): boolean => gathersDiscards;
const isBioBased = ({ bioBased }: FollowedDevice): boolean => bioBased;

const isBioTraced = (event: BioEvent, devices: readonly FollowedDevice[]): string =>
  devices.some((device) => isBioBased(device) || (event === 'queue' && gathers(device))) ? '1' : '0';

class Instance implements TraceInstance {
  readonly path: string;
  readonly cpus: readonly string[];
  readonly subBufferBytes: number;
  readonly formats: EventFormats;
  readonly commandFormat: CommandEventFormat | undefined;
  #devices: readonly FollowedDevice[] = [];
  #tellsIssues = true;

  constructor(path: string) {
    this.path = path;
    this.cpus = cpuFolders(path);
    this.subBufferBytes = subBufferBytes(this.#read('events/header_page'), this.#read('events/header_event'));
    const format = (event: RequestEvent): RequestEventFormat =>
      parseRequestEvent(this.#read(`${folderOf(event)}/format`), `block_rq_${event}`);
    const bio = (event: BioEvent): RequestEventFormat => parseRequestEvent(this.#read(`${bioFolderOf(event)}/format`), BIO_NAMES[event]);
    const requests = { issue: format('issue'), complete: format('complete'), requeue: format('requeue') };
    this.formats = { ...requests, queue: bio('queue'), end: bio('end') };
    this.commandFormat = this.#hasCommands ? parseCommandEvent(this.#read(`${COMMAND}/format`)) : undefined;
  }

  /**
   * Has the kernel tell of the command of a request that has no place on the disk, where such a disk is followed: the issue of such a request is told
   * of, then it. A trigger makes every issue of all disks cost something, also where that event is off.
   */
  #traceCommands(): void {
    if (!this.#hasCommands || this.#hasTrigger === this.#devices.some(takesScsiCommands)) return;
    this.write(`${folderOf('issue')}/trigger`, `${this.#hasTrigger ? '!' : ''}${COMMAND_TRIGGER} if ${COMMAND_CONDITION}`);
  }

  quietCommands(): void {
    this.write(`${COMMAND}/enable`, '0');
  }

  get #hasCommands(): boolean {
    return existsSync(join(this.path, COMMAND));
  }

  get #hasTrigger(): boolean {
    return this.#read(`${folderOf('issue')}/trigger`).includes(COMMAND_TRIGGER);
  }

  follow(devices: readonly FollowedDevice[]): void {
    this.#devices = devices;
    for (const event of ENDS) this.write(`${folderOf(event)}/filter`, filterOf(devices));
    this.#traceCommands();
    this.#setIssue();
    for (const event of BIO_EVENTS) {
      this.write(`${bioFolderOf(event)}/filter`, bioFilterOf(event, devices));
      this.write(`${bioFolderOf(event)}/enable`, isBioTraced(event, devices));
    }
  }

  tellIssues(told: boolean): void {
    this.#tellsIssues = told;
    this.#setIssue();
  }

  #setIssue(): void {
    const { filter, enable } = issueSetting(this.#devices, this.#tellsIssues);
    this.write(`${folderOf('issue')}/filter`, filter);
    this.write(`${folderOf('issue')}/enable`, enable);
  }

  difference(kilobytes: string, ...follows: (readonly FollowedDevice[])[]): string | undefined {
    const lists = follows.length > 0 ? follows : [this.#devices];
    const expected = [...SETTINGS, ['tracing_on', '1'] as const];
    for (const [file, value] of expected) {
      const found = this.#read(file);
      if (found !== value && !found.includes(`[${value}]`)) return `${file} is ${found} instead of ${value}`;
    }
    if (this.kilobytes() !== kilobytes) return `buffer_size_kb is ${this.kilobytes()} instead of ${kilobytes}`;
    const traced = BigInt(`0x${this.#read('tracing_cpumask').replaceAll(',', '')}`)
      .toString(2)
      .replaceAll('0', '').length;
    if (traced < this.cpus.length) return 'tracing_cpumask leaves out processors';
    for (const file of ['set_event_pid', 'set_event_notrace_pid']) {
      if (existsSync(join(this.path, file)) && this.#read(file) !== '') return `${file} leaves out processes`;
    }
    for (const event of ENDS) {
      if (this.#read(`${folderOf(event)}/enable`) !== '1') return `the event block_rq_${event} is off`;
      const filter = this.#read(`${folderOf(event)}/filter`);
      if (!lists.some((devices) => filter === filterOf(devices))) return `the filter of the event block_rq_${event} is ${filter}`;
    }
    const tellings = follows.length > 0 ? [true, false] : [this.#tellsIssues];
    const settings = lists.flatMap((devices) => tellings.map((told) => issueSetting(devices, told)));
    const filter = this.#read(`${folderOf('issue')}/filter`);
    // Where there is a trigger a star follows.
    const enable = this.#read(`${folderOf('issue')}/enable`)[0];
    const fitting = settings.filter((setting) => setting.filter === filter);
    if (fitting.length === 0) return `the filter of the event block_rq_issue is ${filter}`;
    if (!fitting.some((setting) => setting.enable === enable)) return `the event block_rq_issue is ${enable === '0' ? 'off' : 'on'}`;
    if (this.#hasCommands && lists.every((devices) => devices.some(takesScsiCommands)) && !this.#hasTrigger)
      return 'the trigger of block_rq_issue is gone';
    for (const event of BIO_EVENTS) {
      const filter = this.#read(`${bioFolderOf(event)}/filter`);
      if (!lists.some((devices) => filter === bioFilterOf(event, devices)))
        return `the filter of the event ${BIO_NAMES[event]} is ${filter}`;
      const enable = this.#read(`${bioFolderOf(event)}/enable`);
      if (!lists.some((devices) => enable === isBioTraced(event, devices))) return `the event ${BIO_NAMES[event]} is set to ${enable}`;
    }
    return undefined;
  }

  kilobytes(): string {
    return this.#read('buffer_size_kb');
  }

  counters(cpu: number): RingCounters {
    const text = this.#read(`per_cpu/${this.cpus[cpu]}/stats`);
    const number = (name: string): number => Number(new RegExp(`^${name}: (\\d+)`, 'm').exec(text)?.[1] ?? Number.NaN);
    return { read: number('read events'), lost: number('overrun') + number('commit overrun') + number('dropped events') };
  }

  openRing(cpu: number): number {
    return openSync(join(this.path, 'per_cpu', this.cpus[cpu]!, 'trace_pipe_raw'), constants.O_RDONLY | constants.O_NONBLOCK);
  }

  write(file: string, value: string): void {
    try {
      writeFileSync(join(this.path, file), value);
    } catch (reason) {
      throw fromSystem(reason, join(this.path, file));
    }
  }

  #read(file: string): string {
    try {
      return readFileSync(join(this.path, file), 'latin1').trim();
    } catch (reason) {
      throw fromSystem(reason, join(this.path, file));
    }
  }
}

const folderOf = (event: RequestEvent): string => `events/block/block_rq_${event}`;

const COMMAND = 'events/scsi/scsi_dispatch_cmd_start';
/**
 * What programs hand to a disk past the block layer is a request without a place, followed on the same processor by the event of its command.
 * Every read and write is a command too: so that event is off, such a request switches it on, and whoever has seen it switches it off again.
 */
const COMMAND_TRIGGER = 'enable_event:scsi:scsi_dispatch_cmd_start';
const COMMAND_CONDITION = 'nr_sector == 0 && rwbs ~ "N*"';

const bioFolderOf = (event: BioEvent): string => `events/block/${BIO_NAMES[event]}`;

const cpuFolders = (path: string): string[] => readdirSync(join(path, 'per_cpu')).sort((a, b) => Number(a.slice(3)) - Number(b.slice(3)));

const pathOf = (tracefs: string, name: string): string => join(tracefs, 'instances', name);

/** The instance of this name as it is, untouched; `undefined` if there is none. */
export const openTraceInstance = (tracefs: string, name: string): TraceInstance | undefined =>
  existsSync(pathOf(tracefs, name)) ? new Instance(pathOf(tracefs, name)) : undefined;

/** Sub-buffers a ring has at least, where their size can be chosen: a reader waits for one to fill, and one is always being written. */
const LEAST_SUB_BUFFERS = 16;
/** Kilobytes. Few reads of many records each cost less; beyond this nothing is gained. */
const LARGEST_SUB_BUFFER = 64;
/** Kilobytes of locked memory that slots, one sub-buffer for each possible CPU, take at most where that can be chosen. */
const SLOTS_LIMIT = 2048;

/** Kilobytes of a sub-buffer for rings of so many kilobytes. */
const subBufferKilobytes = (ring: number, possibleCpus: number): number => {
  let kilobytes = LARGEST_SUB_BUFFER;
  while (kilobytes > 4 && (kilobytes * LEAST_SUB_BUFFERS > ring || kilobytes * possibleCpus > SLOTS_LIMIT)) kilobytes /= 2;
  return kilobytes;
};

/**
 * Makes the instance anew, following no device. `bufferBytes` is the kernel memory of the rings of all processors there are; those of processors that
 * may come are made by the kernel, of the same size, when they do.
 */
export const createTraceInstance = (tracefs: string, name: string, bufferBytes: number): TraceInstance => {
  removeTraceInstance(tracefs, name);
  const path = pathOf(tracefs, name);
  try {
    mkdirSync(path);
  } catch (reason) {
    throw fromSystem(reason, path);
  }
  const processors = Math.max(1, onlineProcessors().length);
  const kilobytes = Math.floor(bufferBytes / processors / 1024);
  // Kernels before 6.8 have pages and no choice.
  if (existsSync(join(path, SUB_BUFFER)))
    writeFileSync(join(path, SUB_BUFFER), String(subBufferKilobytes(kilobytes, cpuFolders(path).length)));
  const instance = new Instance(path);
  if (kilobytes * 1024 < 4 * instance.subBufferBytes) {
    removeTraceInstance(tracefs, name);
    const why = `${bufferBytes} bytes are less than ${4 * instance.subBufferBytes} for each of ${processors} processors`;
    throw new HoldfastError('SETTING_INVALID', { thing: 'bufferBytes', why, remedy: 'allow more memory for trace buffers' });
  }
  for (const [file, value] of SETTINGS) instance.write(file, value);
  instance.write('buffer_size_kb', String(kilobytes));
  instance.follow([]);
  for (const event of ENDS) instance.write(`${folderOf(event)}/enable`, '1');
  // One record that is booked at once, so that a trace someone emptied differs from one in which nothing happened yet.
  instance.write('trace_marker', `${name} begins\n`);
  return instance;
};

/** Removes the instance if it is there. */
export const removeTraceInstance = (tracefs: string, name: string): void => {
  const path = pathOf(tracefs, name);
  try {
    rmdirSync(path);
  } catch (reason) {
    const { code } = reason as NodeJS.ErrnoException;
    if (code === 'ENOENT') return;
    if (code !== 'EBUSY') throw fromSystem(reason, path);
    throw new HoldfastError('IO_FAILED', {
      thing: path,
      why: 'someone has one of its files open',
      remedy: 'end that program',
      cause: reason,
    });
  }
};
