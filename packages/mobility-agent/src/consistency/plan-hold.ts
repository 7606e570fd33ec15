import { readFileSync, realpathSync, statSync } from 'node:fs';
import path from 'node:path';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { newId, PointKind } from '@holdfast/protocol';
import type { WriterHold } from '../capture/capture.ts';
import type { DiskSource } from '../capture/disk-source.ts';
import { type OpenDiskSource, openDiskSource } from '../capture/open-disk-source.ts';
import { chooseFilesystems, type HeldFilesystem, type KeptPath } from '../hold/choose-filesystems.ts';
import { type Mounted, parseMountTable } from '../hold/mount-table.ts';
import { type Hold, openHold } from '../hold/open-hold.ts';
import type { HoldReport } from '../hold/protocol.ts';
import { findControlGroups, throttleSteps } from '../hold/throttle.ts';
import type { ScriptCall } from '../hold/undo-log.ts';
import { logicalVolumeOf, snapshotTag } from '../hold/volume-snapshot.ts';
import type { ProcessorShare } from '../platform/processor-share.ts';
import { identifyDevice, unpackDevice } from '../trace/device.ts';
import { findScripts } from './find-scripts.ts';

/** Milliseconds from the last `pre` to the first `post` at most, as long as nothing is frozen. */
const APPLICATIONS_HELD = 60_000;
/** Writes a second to each disk that are left to a group of processes while it is throttled: rounds converge well at several times that. */
const THROTTLED_WRITES = 500;

/** What this machine offers for holding writers still. */
export interface HoldPlaces {
  readonly machineId: string;
  /** The program that keeps a hold, and its arguments. */
  readonly watchdog: readonly string[];
  /** Where the scripts are. */
  readonly scripts: string;
  /** Milliseconds a script may take. */
  readonly scriptLimit: number;
  /** A file in memory of what is to be taken back; scripts get a directory beside it. */
  readonly log: string;
  /** What must go on working meanwhile. */
  readonly kept: readonly KeptPath[];
  /** What this process leaves alone: not while anything is held, so that it is over sooner. */
  readonly processors?: ProcessorShare | undefined;
}

/** A hold for one cut, and what came of it. */
export interface PlannedHold extends WriterHold {
  /** What the point is if its instant was `held`; asked after `end`. */
  kind(held: boolean): PointKind;
  /** Why it is less than was wanted; undefined when it is not. */
  readonly problem: HoldfastError | undefined;
  /** Told once it is over; undefined when no step was taken. */
  readonly report: HoldReport | undefined;
}

/** Numbers of the disks with these paths, "8:0". */
const numbersOf = (paths: readonly string[]): string[] =>
  paths.flatMap((file) => {
    const stats = statSync(file, { throwIfNoEntry: false });
    if (stats?.isBlockDevice() !== true) return [];
    const { major, minor } = unpackDevice(stats.rdev);
    return [`${major}:${minor}`];
  });

const readMounts = (): Mounted[] => parseMountTable(readFileSync('/proc/self/mountinfo', 'utf8'));

/** The nearest place on the way to `file` that is there, without links. */
const standing = (file: string): string => {
  for (let at = path.resolve(file); ; at = path.dirname(at)) {
    try {
      return realpathSync(at);
    } catch {
      if (at === path.dirname(at)) return at;
    }
  }
};

const swapFiles = (): KeptPath[] =>
  readFileSync('/proc/swaps', 'utf8')
    .split('\n')
    .map((line) => line.split(/\s+/))
    .filter(([, type]) => type === 'file')
    .map(([file]) => ({ path: file!, what: 'a swap file' }));

const filesystemsOf = (disks: readonly string[], { kept }: HoldPlaces): HeldFilesystem[] =>
  chooseFilesystems({
    system: '/sys',
    mounts: readMounts(),
    disks: new Set(numbersOf(disks)),
    kept: [...kept.map(({ path: file, what }) => ({ path: standing(file), what })), ...swapFiles()],
  });

const failed = (thing: string, why: string, remedy: string): HoldfastError => new HoldfastError('HOLD_FAILED', { thing, why, remedy });

/** Nothing went wrong: this machine, as it is set up, gives no more. */
const lesser = (thing: string, why: string, remedy: string): HoldfastError =>
  new HoldfastError('POINT_NOT_CONSISTENT', { thing, why, remedy });

abstract class Planned implements PlannedHold {
  abstract readonly always: boolean;
  abstract readonly steps: readonly (() => Promise<void>)[];
  abstract readonly patience: number;
  abstract kind(held: boolean): PointKind;
  report: HoldReport | undefined;
  protected readonly places: HoldPlaces;
  protected failure: HoldfastError | undefined;
  #hold: Hold | undefined;
  #narrow: (() => void) | undefined;

  constructor(places: HoldPlaces) {
    this.places = places;
  }

  get problem(): HoldfastError | undefined {
    return this.broken;
  }

  /** Why it was not in force all the time. */
  protected get broken(): HoldfastError | undefined {
    if (this.failure !== undefined) return this.failure;
    if (this.report?.broken !== undefined) return failed('hold', this.report.broken, 'allow a longer hold in the policy');
    const [first] = this.report?.problems ?? [];
    // A script that could not let go in order may not have held until then either.
    if (first !== undefined)
      return new HoldfastError('SCRIPT_FAILED', {
        thing: 'letting go',
        why: first,
        remedy: 'look after the application, then run it by hand',
      });
    return undefined;
  }

  async end(): Promise<boolean> {
    try {
      this.report = await this.#hold?.end();
    } finally {
      this.#narrow?.();
    }
    return this.report !== undefined && this.broken === undefined;
  }

  /** A step, with its failure remembered. */
  protected step(take: (hold: Hold) => Promise<void>): () => Promise<void> {
    return async () => {
      try {
        this.#narrow ??= this.places.processors?.widen();
        this.#hold ??= await openHold(this.places);
        await take(this.#hold);
      } catch (reason) {
        this.failure = isHoldfastError(reason) ? reason : failed('hold', String(reason), 'look at the cause');
        throw reason;
      }
    };
  }
}

class ConsistentHold extends Planned {
  readonly always = true;
  readonly steps;
  readonly patience;
  readonly #wanted: PointKind;
  #filesystems: readonly HeldFilesystem[] = [];
  #scripts = 0;

  constructor(wanted: PointKind, limit: number, disks: readonly string[], places: HoldPlaces) {
    super(places);
    this.#wanted = wanted;
    this.patience = limit;
    this.steps = [
      this.step(async (hold) => {
        this.#filesystems = filesystemsOf(disks, places);
        if (wanted === PointKind.APPLICATION) await this.#askApplications(hold);
        await hold.flush(this.#filesystems);
      }),
      this.step((hold) => hold.freeze(this.#filesystems, limit)),
    ];
  }

  async #askApplications(hold: Hold): Promise<void> {
    const { machineId, scripts, scriptLimit, log } = this.places;
    const runDirectory = `${log}-scripts`;
    const environment = {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      LANG: 'C.UTF-8',
      HOLDFAST_MACHINE_ID: machineId,
      HOLDFAST_HOLD_ID: newId(),
      HOLDFAST_RUN_DIRECTORY: runDirectory,
    };
    const calls: ScriptCall[] = findScripts(scripts).map((file) => ({ file, limit: scriptLimit, environment }));
    this.#scripts = calls.length;
    if (calls.length > 0) await hold.scripts(calls, runDirectory, APPLICATIONS_HELD);
  }

  kind(held: boolean): PointKind {
    if (!held || this.report === undefined) return PointKind.CRASH;
    const { moving } = this.report;
    // What the agent keeps from being frozen was written out after the applications held still.
    if (this.#scripts > 0 && moving.every(({ mountPoint }) => this.#isKept(mountPoint))) return PointKind.APPLICATION;
    return moving.length === 0 && this.#filesystems.length > 0 ? PointKind.FILESYSTEM : PointKind.CRASH;
  }

  override get problem(): HoldfastError | undefined {
    const problem = this.broken;
    if (problem !== undefined || this.report === undefined || this.kind(true) >= this.#wanted) return problem;
    const [first] = this.report.moving;
    if (first !== undefined)
      return lesser(first.mountPoint, `it was not frozen: ${first.why}`, 'see what consistent points need in docs/operations.md');
    if (this.#filesystems.length === 0)
      return lesser('protected disks', 'no file system of them is mounted', 'add scripts for what uses them');
    const why = 'there is no executable script in it, so no application was asked to hold still';
    return lesser(this.places.scripts, why, 'put one there; those for PostgreSQL and MariaDB come with the agent');
  }

  #isKept(mountPoint: string): boolean {
    return this.#filesystems.some((one) => one.mountPoint === mountPoint && one.kept !== undefined);
  }
}

/** For cuts that do not converge by themselves. */
class HelpingHold extends Planned {
  readonly always = false;
  readonly steps;
  readonly patience;

  constructor(freezes: boolean, limit: number, disks: readonly string[], places: HoldPlaces) {
    super(places);
    // Leaves time to freeze what throttling did not calm, before the throttle's own time is up.
    this.patience = limit / 2;
    this.steps = [
      this.step(async (hold) => {
        const limits = throttleSteps(findControlGroups(readMounts()), numbersOf(disks), THROTTLED_WRITES);
        // Where nothing can be throttled freezing is what is left.
        if (limits.length > 0 || !freezes) await hold.throttle(limits, limit);
      }),
      ...(freezes ? [this.step((hold) => this.#freeze(hold, filesystemsOf(disks, places), limit))] : []),
    ];
  }

  kind(): PointKind {
    return PointKind.CRASH;
  }

  /** Freezing stops writers and then writes out what is in memory, which nothing can end: as much of that as can be is done before. */
  async #freeze(hold: Hold, filesystems: readonly HeldFilesystem[], limit: number): Promise<void> {
    await hold.flush(filesystems);
    await hold.freeze(filesystems, limit);
  }
}

/** For cuts that do not converge, of a machine whose only disk is a volume of LVM: what is read is a snapshot of it. */
class SnapshotHold extends Planned {
  readonly always = false;
  readonly steps = [];
  readonly patience = 0;
  readonly #disks: readonly string[];
  #source: OpenDiskSource | undefined;

  constructor(disks: readonly string[], places: HoldPlaces) {
    super(places);
    this.#disks = disks;
  }

  readonly snapshot = async (): Promise<DiskSource> => {
    await this.step(async (hold) => {
      const path = await hold.snapshot(this.#volume(), snapshotTag(this.places.machineId));
      this.#source = openDiskSource(identifyDevice(path));
    })();
    return this.#source!;
  };

  override async end(): Promise<boolean> {
    this.#source?.close();
    return super.end();
  }

  kind(): PointKind {
    return PointKind.CRASH;
  }

  protected override get broken(): HoldfastError | undefined {
    const [first] = this.report?.problems ?? [];
    if (this.failure !== undefined || this.report?.broken !== undefined || first === undefined) return super.broken;
    return failed('snapshot', first, 'remove it (lvremove); the agent tries to, before it makes the next one');
  }

  #volume(): NonNullable<ReturnType<typeof logicalVolumeOf>> {
    const [disk = '', ...others] = this.#disks;
    const [device] = numbersOf([disk]);
    const volume = others.length > 0 || device === undefined ? undefined : logicalVolumeOf(device);
    if (volume !== undefined) return volume;
    const why = 'a snapshot has an instant only where the one protected disk of the machine is a logical volume of LVM';
    throw lesser(this.#disks.join(', '), why, 'choose throttle or freeze in the policy');
  }
}

/** A hold within which file systems, and for `APPLICATION` applications, are at rest. `limit`: milliseconds file systems stay frozen at most. */
export const planConsistentHold = (wanted: PointKind, limit: number, disks: readonly string[], places: HoldPlaces): PlannedHold =>
  new ConsistentHold(wanted, limit, disks, places);

/** A hold for cuts that do not converge: writers are throttled, and then, if `freezes`, frozen; each for at most `limit` milliseconds. */
export const planHelpingHold = (freezes: boolean, limit: number, disks: readonly string[], places: HoldPlaces): PlannedHold =>
  new HelpingHold(freezes, limit, disks, places);

/** A way for cuts that do not converge: they are read out of a snapshot of LVM, while writers go on. */
export const planSnapshotHold = (disks: readonly string[], places: HoldPlaces): PlannedHold => new SnapshotHold(disks, places);
