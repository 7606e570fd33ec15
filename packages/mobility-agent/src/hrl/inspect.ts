import { existsSync } from 'node:fs';
import { isHoldfastError } from '@holdfast/errors';
import { idText } from '@holdfast/protocol';
import type { ControlState, LogPosition } from './control-slot.ts';
import { describeFinding } from './describe-finding.ts';
import { openDiskDirectory } from './disk-directory.ts';
import type { HrlDirectory } from './files.ts';
import type { HrlFinding } from './finding.ts';
import type { HrlHead } from './hrl.ts';
import { findControl, newestState } from './load-hrl.ts';
import { type ReadCut, readCuts, verifyCut } from './log-reader.ts';
import { createSegmentPool, type SegmentPool } from './segment-pool.ts';

export interface InspectOptions {
  readonly directory: string;
  /** Where the log says that it is in memory, unless given. */
  readonly hotDirectory?: string;
}

/** What is in a log, in order; changes nothing, and goes on behind what it finds damaged as far as that is possible. */
export function* findInHrl({ directory, hotDirectory }: InspectOptions): Generator<HrlFinding> {
  const cold = openDiskDirectory(directory, 'read');
  const directories = [cold];
  try {
    const hot = hotDirectory ?? hotPathOf(cold);
    if (hot !== undefined) directories.unshift(openDiskDirectory(hot, 'read'));
    yield* findInDirectories(directories);
  } finally {
    for (const one of directories) one.close();
  }
}

/** The same in words for people, line by line. */
export function* inspectHrl(options: InspectOptions): Generator<string> {
  for (const finding of findInHrl(options)) yield* describeFinding(finding);
}

/** The words about directories given in the order memory, disk. */
export function* inspectDirectories(directories: readonly HrlDirectory[]): Generator<string> {
  for (const finding of findInDirectories(directories)) yield* describeFinding(finding);
}

const hotPathOf = (cold: HrlDirectory): string | undefined => {
  const control = findControl(cold);
  control?.file.close();
  const hot = control?.newest?.hotPath;
  return hot !== undefined && existsSync(hot) ? hot : undefined;
};

function* findInDirectories(directories: readonly HrlDirectory[]): Generator<HrlFinding> {
  const controls = directories.map(findControl);
  const state = newestState(controls.map((control) => control?.newest));
  if (state === undefined) {
    yield { kind: 'no log' };
    return;
  }
  yield* findState(state);
  const tiers = directories.map((one, index) => ({
    name: index === directories.length - 1 ? ('cold' as const) : ('hot' as const),
    directory: one,
    limit: 0,
  }));
  const pool = createSegmentPool(tiers, state.logId, 0);
  try {
    for (const path of pool.unreadable) yield { kind: 'no segment', path };
    yield* findCuts(pool, state);
  } finally {
    void pool.close();
    for (const control of controls) control?.file.close();
  }
}

function* findState({
  logId,
  machineId,
  sequence,
  bootId,
  hotPath,
  tail,
  end,
  lastPointId,
  lastManifest,
  ...state
}: ControlState): Generator<HrlFinding> {
  yield { kind: 'log', logId, machineId, sequence, bootId, hotPath, tail, end, pointId: lastPointId, manifestId: lastManifest?.id };
  const headOf = ({ diskId, generationId, number, open, ended, diskSize }: HrlHead) => ({
    diskId,
    generationId,
    number,
    open,
    ended,
    diskSize,
  });
  for (const head of state.heads.values()) yield { kind: 'head', ...headOf(head) };
  for (const head of state.freedHeads.values()) yield { kind: 'freed', ...headOf(head) };
}

function* findCuts(pool: SegmentPool, { tail, end }: ControlState): Generator<HrlFinding> {
  if (tail === undefined || end === undefined) return;
  let position: LogPosition = tail;
  try {
    for (const cut of readCuts(pool, tail)) {
      yield* findCut(cut, cut.end.sequence <= end.sequence);
      position = cut.end;
    }
  } catch (reason) {
    if (!isHoldfastError(reason, 'DAMAGED')) throw reason;
    if (position.sequence < end.sequence) yield { kind: 'damage', thing: reason.thing, why: reason.why };
  }
}

function* findCut(read: ReadCut, committed: boolean): Generator<HrlFinding> {
  const { id, point, epochs } = read.cut;
  const cutId = idText(id);
  const pointId = point === undefined ? undefined : idText(point.id);
  yield { kind: 'cut', cutId, committed, bytes: read.bytes, pointId, start: read.start };
  for (const { diskId, generationId, number, open, frameCount, dataBytes, zeroBytes, unreadableBytes } of epochs) {
    yield {
      kind: 'epoch',
      cutId,
      diskId: idText(diskId),
      generationId: idText(generationId),
      number: Number(number),
      open,
      frames: Number(frameCount),
      dataBytes: Number(dataBytes),
      zeroBytes: Number(zeroBytes),
      unreadableBytes: Number(unreadableBytes),
    };
  }
  try {
    verifyCut(read);
  } catch (reason) {
    if (!isHoldfastError(reason, 'DAMAGED')) throw reason;
    yield { kind: 'damage', cutId, thing: reason.thing, why: reason.why };
  }
}
