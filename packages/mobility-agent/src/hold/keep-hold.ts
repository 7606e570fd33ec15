import { closeSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { HoldfastError } from '@holdfast/errors';
import { endGroup, runScript } from '../consistency/run-script.ts';
import { flush, freezeBeside, thaw } from '../platform/ioctl.ts';
import type { HeldFilesystem } from './choose-filesystems.ts';
import type { HoldReport, WatchdogOrder } from './protocol.ts';
import { openFilesystem, takeBack } from './undo.ts';
import { openUndoLog, type UndoLog } from './undo-log.ts';
import { makeSnapshot, snapshotName } from './volume-snapshot.ts';

type Order<Name extends WatchdogOrder['order']> = Extract<WatchdogOrder, { order: Name }>;

interface Frozen {
  readonly mountPoint: string;
  readonly fd: number;
  readonly note: number;
}

const failed = (thing: string, why: string, remedy = 'the cut is made without it; allow a longer hold if it is the time'): HoldfastError =>
  new HoldfastError('HOLD_FAILED', { thing, why, remedy });

const words = (reason: unknown): string => (reason instanceof Error ? reason.message : String(reason));

/** Sectors written to the devices of a file system since they are there; undefined when the kernel does not tell. */
const written = ({ blocks }: HeldFilesystem): number | undefined => {
  if (blocks.length === 0) return undefined;
  try {
    const SECTORS_WRITTEN = 6;
    return blocks
      .map((device) => Number(readFileSync(`/sys/dev/block/${device}/stat`, 'utf8').trim().split(/\s+/)[SECTORS_WRITTEN]))
      .reduce((sum, one) => sum + one);
  } catch {
    return undefined;
  }
};

/** A hold as its watchdog has it. Whatever happens, `end` takes everything back, once; the notes are for when the watchdog is killed. */
export interface KeptHold {
  scripts(order: Order<'scripts'>): Promise<void>;
  flush(order: Order<'flush'>): Promise<void>;
  freeze(order: Order<'freeze'>): Promise<void>;
  throttle(order: Order<'throttle'>): void;
  /** Gives its path. It holds nobody, so it has no limit but the end. */
  snapshot(order: Order<'snapshot'>): Promise<string>;
  end(): Promise<HoldReport>;
}

class WatchedHold implements KeptHold {
  readonly #log: UndoLog;
  #timer: NodeJS.Timeout | undefined;
  readonly #frozen: Frozen[] = [];
  readonly #names: string[] = [];
  readonly #others: { readonly filesystem: HeldFilesystem; readonly why: string; readonly written: number | undefined }[] = [];
  /** Process groups of scripts: what they leave running ends with the hold. */
  readonly #groups: number[] = [];
  readonly #over = new AbortController();
  #running: Promise<unknown> | undefined;
  #broken: string | undefined;
  #frozenAt: number | undefined;
  #thawedAt: number | undefined;
  #problems: Promise<string[]> | undefined;

  constructor(log: UndoLog) {
    this.#log = log;
  }

  async scripts({ calls, runDirectory, limit }: Order<'scripts'>): Promise<void> {
    this.#log.note({ kind: 'remove', folder: runDirectory });
    mkdirSync(runDirectory, { mode: 0o700 });
    for (const call of calls) {
      this.#refuseBroken(call.file);
      this.#log.note({ kind: 'script', call });
      const run = runScript(call, 'pre', this.#over.signal);
      this.#running = run;
      const { problem, group } = await run;
      if (group !== undefined) this.#groups.push(group);
      if (problem !== undefined)
        throw new HoldfastError('SCRIPT_FAILED', {
          thing: `script ${call.file} pre`,
          why: problem,
          remedy: 'run it by hand; points are crash-consistent meanwhile',
        });
    }
    this.#arm(limit, `applications were held longer than ${limit} ms`);
  }

  async flush({ filesystems }: Order<'flush'>): Promise<void> {
    for (const filesystem of filesystems) {
      const fd = openFilesystem(filesystem);
      if (fd === undefined) continue;
      await flush(fd).finally(() => closeSync(fd));
    }
  }

  async freeze({ filesystems, limit }: Order<'freeze'>): Promise<void> {
    this.#arm(limit, `it took longer than ${limit} ms`);
    for (const filesystem of filesystems) {
      this.#refuseBroken(filesystem.mountPoint);
      if (filesystem.kept === undefined) await this.#freezeOne(filesystem);
      else await this.#leave(filesystem, filesystem.kept);
    }
    this.#refuseBroken('file systems');
  }

  async #freezeOne(filesystem: HeldFilesystem): Promise<void> {
    const { mountPoint, device } = filesystem;
    const fd = openFilesystem(filesystem);
    if (fd === undefined) return this.#leave(filesystem, 'it cannot be reached: something else is mounted over it');
    const note = this.#log.note({ kind: 'thaw', mountPoint, device });
    this.#frozenAt ??= performance.now();
    try {
      await freezeBeside(fd);
    } catch (reason) {
      this.#log.cancel(note);
      closeSync(fd);
      const { code } = reason as NodeJS.ErrnoException;
      if (code === 'EOPNOTSUPP') return this.#leave(filesystem, 'this kind of file system cannot be frozen');
      throw failed(mountPoint, code === 'EBUSY' ? 'somebody else has frozen it: it is left alone' : words(reason));
    }
    this.#frozen.push({ mountPoint, fd, note });
    this.#names.push(mountPoint);
    // Time was up while it was being frozen: nobody else thaws it.
    if (this.#broken !== undefined) this.#thawAll();
  }

  async #leave(filesystem: HeldFilesystem, why: string): Promise<void> {
    const fd = openFilesystem(filesystem);
    if (fd !== undefined) await flush(fd).finally(() => closeSync(fd));
    this.#others.push({ filesystem, why, written: fd === undefined ? undefined : written(filesystem) });
  }

  throttle({ steps, limit }: Order<'throttle'>): void {
    this.#arm(limit, `it took longer than ${limit} ms`);
    for (const { file, text, restore } of steps) {
      const note = this.#log.note({ kind: 'write', file, text: restore });
      try {
        writeFileSync(file, text);
      } catch (reason) {
        this.#log.cancel(note);
        // A group that is gone needs no limit.
        if ((reason as NodeJS.ErrnoException).code !== 'ENOENT') throw failed(file, words(reason), 'look at the control groups');
      }
    }
  }

  snapshot({ volume, tag }: Order<'snapshot'>): Promise<string> {
    const name = snapshotName();
    this.#log.note({ kind: 'snapshot', snapshot: { group: volume.group, name } });
    const made = makeSnapshot(volume, name, tag);
    // What is being made is taken back once it is there.
    this.#running = made.catch(() => undefined);
    return made;
  }

  async end(): Promise<HoldReport> {
    // Before anything is let go: what was still until now was still at the cut.
    const others = this.#others.map((one) => ({ ...one, isStill: one.written !== undefined && written(one.filesystem) === one.written }));
    this.#thawAll();
    const broken = this.#broken;
    this.#broken ??= 'it is over';
    const problems = await this.#release();
    return {
      ...(broken === undefined ? {} : { broken }),
      frozen: this.#names,
      still: others.filter(({ isStill }) => isStill).map(({ filesystem }) => filesystem.mountPoint),
      moving: others.filter(({ isStill }) => !isStill).map(({ filesystem, why }) => ({ mountPoint: filesystem.mountPoint, why })),
      frozenFor: this.#frozenAt === undefined ? 0 : Math.round((this.#thawedAt ?? performance.now()) - this.#frozenAt),
      problems,
    };
  }

  /** Ends everything after so many milliseconds, whatever the cut needs; each step has its own time. */
  #arm(milliseconds: number, why: string): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#broken ??= why;
      void this.#release();
    }, milliseconds);
  }

  #refuseBroken(thing: string): void {
    if (this.#broken !== undefined) throw failed(thing, this.#broken);
  }

  /** The last frozen first: it lies below the others. */
  #thawAll(): void {
    for (const { fd, note } of this.#frozen.splice(0).reverse()) {
      try {
        thaw(fd);
      } catch {
        // Somebody thawed it: then it was not held until now.
        this.#broken ??= 'somebody else thawed a file system';
      }
      closeSync(fd);
      this.#log.cancel(note);
    }
    this.#thawedAt = performance.now();
  }

  #release(): Promise<string[]> {
    this.#thawAll();
    this.#problems ??= this.#undo();
    return this.#problems;
  }

  async #undo(): Promise<string[]> {
    clearTimeout(this.#timer);
    this.#over.abort();
    await this.#running;
    const problems: string[] = [];
    for (const undo of this.#log.left()) {
      // One that is being frozen is thawed when that is done.
      if (undo.kind === 'thaw') continue;
      const problem = await takeBack(undo);
      if (problem !== undefined) problems.push(problem);
    }
    for (const group of this.#groups) endGroup(group);
    return problems;
  }
}

/** Opens a hold that notes in `file` what it does. Throws HOLD_FAILED while another hold is kept there. */
export const openKeptHold = (file: string): { readonly hold: KeptHold; close(): void } => {
  const log = openUndoLog(file);
  if (log === undefined) throw failed('hold', 'another one of this machine is not over yet', 'try again when it is');
  return {
    hold: new WatchedHold(log),
    close() {
      log.remove();
      log.close();
    },
  };
};
