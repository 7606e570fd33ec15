import path from 'node:path';
import { parseArgs } from 'node:util';
import { HoldfastError } from '@holdfast/errors';

export interface LabOptions {
  readonly help: boolean;
  /** File the measurements are written to. */
  readonly json: string | undefined;
  /** Leave the vault, its key, the disk images and the ledgers. */
  readonly keep: boolean;
  /** How long the machine is protected while it is written to. */
  readonly minutes: number;
  /** Folder of the vault; a store of the run's own unless told. */
  readonly vault: string | undefined;
  /** Disks of the user's to protect instead of the lab's own. */
  readonly disks: readonly string[];
  /** Names the workload and the choice of points. */
  readonly seed: number;
  /** Seconds from point to point. */
  readonly pointEvery: number;
  /** Bytes of each of the lab's own disks. */
  readonly diskSize: number;
  /** False takes the conflict check out of the capture: its points are wrong, and the oracles have to notice. */
  readonly conflictCheck: boolean;
}

export const HELP = `npm start -- [OPTIONS]

Shows that Holdfast is real, in about three minutes: makes a machine of two disks (loop devices; ext4 and XFS), runs databases and
file churn on them, and sets up a whole installation as people do: Azure Blob storage (Azurite), configuration server, process server and
agent, each a process of its own, joined by one-time tokens. Protects the machine into an encrypted vault, cuts a recovery point every few
seconds, kills agent and process server in the middle, then recovers points and has every byte of them checked. Needs root on Linux; elsewhere it shows the part that needs neither.

  --minutes N        how long the machine is protected under load (1.5)
  --point-every S    seconds from point to point (5)
  --disk-size MIB    size of each of its two disks, from 320 (768)
  --json FILE        also write what was measured, as JSON
  --keep             leave the vault (in a folder then), its key, the disk images and the ledgers, and say where they are
  --vault file:DIR   put the vault into this folder, which must be new or empty, instead of Azurite
  --disk /dev/X      protect this disk of yours instead; may be given several times. It is only read. What is recovered is compared
                     with the disk itself, frozen for as long as it takes to read it where it is mounted
  --seed N           repeat the workload and the choice of points of an earlier run
  --help             this page

Examples:
  npm start                                             the demonstration
  npm start -- --minutes 10 --json result.json          longer, with numbers
  npm start -- --keep --vault file:/srv/demo            keep the vault and look into it
  npm start -- --disk /dev/sdb --vault file:/srv/demo   try it on a disk of your own

The JSON: {points: {made, verified, bad}, resyncs, kills: {agent, processServer}, rpoSeconds: {p50, p95, max},
initial: {megabytesPerSecond}, bytes: {changed, sent, stored},
cpuSeconds: {agent, processServer, configurationServer, store, workload, supervisor}}.
Ends with 0 when every checked point is good, 1 when one is not; other statuses and all errors are in docs/errors.md.
Ctrl-C at any time takes away everything it made; so does the next run after a kill -9.`;

/** Mebibytes: XFS wants 300, and the workload has its room. */
const SMALLEST_DISK = 320;

const invalid = (thing: string, why: string, remedy: string): HoldfastError => new HoldfastError('SETTING_INVALID', { thing, why, remedy });

const numberOf = (name: string, text: string, lowest: number, highest: number): number => {
  const value = Number(text);
  if (text.trim() === '' || !(value >= lowest && value <= highest)) {
    throw invalid(`--${name} ${text}`, `it is no number from ${lowest} to ${highest}`, 'see npm start -- --help');
  }
  return value;
};

const folderOf = (url: string): string => {
  if (!url.startsWith('file:') || url === 'file:') throw invalid(`--vault ${url}`, 'it names no folder', 'write it as file:DIR');
  return path.resolve(url.slice('file:'.length).replace(/^\/\/(?=\/)/, ''));
};

const parse = (args: readonly string[]) =>
  parseArgs({
    args: [...args],
    strict: true,
    allowPositionals: false,
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      json: { type: 'string' },
      keep: { type: 'boolean', default: false },
      minutes: { type: 'string', default: '1.5' },
      vault: { type: 'string' },
      disk: { type: 'string', multiple: true, default: [] },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      'point-every': { type: 'string', default: '5' },
      'disk-size': { type: 'string', default: '768' },
      'no-conflict-check': { type: 'boolean', default: false },
    },
  }).values;

const refusal = (reason: unknown): HoldfastError => {
  const { code, message } = reason as NodeJS.ErrnoException;
  const why = message.split('. ')[0] ?? message;
  if (code === 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE') return invalid('setting', why, 'see npm start -- --help');
  const [, thing = 'setting'] = /'([^']+)'/.exec(message) ?? [];
  return new HoldfastError('SETTING_UNKNOWN', { thing, why: 'there is no such setting', remedy: 'see npm start -- --help', cause: reason });
};

/** Reads the command line. SETTING_UNKNOWN for what it does not know, SETTING_INVALID for a value that cannot be. */
export const parseOptions = (args: readonly string[]): LabOptions => {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(args);
  } catch (reason) {
    throw refusal(reason);
  }
  const disks = values.disk.map((disk) => path.resolve(disk));
  const twice = disks.find((disk, index) => disks.indexOf(disk) !== index);
  if (twice !== undefined) throw invalid(`--disk ${twice}`, 'it is given twice', 'name each disk once');
  return {
    help: values.help,
    json: values.json === undefined ? undefined : path.resolve(values.json),
    keep: values.keep,
    minutes: numberOf('minutes', values.minutes, 0.1, 24 * 60),
    vault: values.vault === undefined ? undefined : folderOf(values.vault),
    disks,
    seed: Math.trunc(numberOf('seed', values.seed, 0, 2 ** 31)),
    pointEvery: numberOf('point-every', values['point-every'], 1, 3600),
    diskSize: Math.trunc(numberOf('disk-size', values['disk-size'], SMALLEST_DISK, 1 << 20)) * 2 ** 20,
    conflictCheck: !values['no-conflict-check'],
  };
};
