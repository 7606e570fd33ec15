import { isHoldfastError } from '@holdfast/errors';
import { type Epoch, idText } from '@holdfast/protocol';
import type { ControlState, LogPosition } from './control-slot.ts';
import { openDiskDirectory } from './disk-directory.ts';
import type { HrlDirectory } from './files.ts';
import type { HrlHead } from './hrl.ts';
import { findControl, newestState } from './load-hrl.ts';
import { type ReadCut, readCuts, verifyCut } from './log-reader.ts';
import { createSegmentPool, type SegmentPool } from './segment-pool.ts';

export interface InspectOptions {
  readonly directory: string;
  readonly hotDirectory?: string;
}

/** A dump of the log for people, line by line; changes nothing, and goes on behind what it finds damaged as far as that is possible. */
export function* inspectHrl({ directory, hotDirectory }: InspectOptions): Generator<string> {
  const directories = [...(hotDirectory === undefined ? [] : [hotDirectory]), directory].map((path) => openDiskDirectory(path, 'read'));
  try {
    yield* inspectDirectories(directories);
  } finally {
    for (const one of directories) one.close();
  }
}

/** The same of directories given in the order memory, disk. */
export function* inspectDirectories(directories: readonly HrlDirectory[]): Generator<string> {
  const controls = directories.map(findControl);
  const state = newestState(controls.map((control) => control?.newest));
  if (state === undefined) {
    yield 'there is no valid state of a log';
    return;
  }
  yield* describeState(state);
  const tiers = directories.map((one, index) => ({
    name: index === directories.length - 1 ? ('cold' as const) : ('hot' as const),
    directory: one,
    limit: 0,
  }));
  const pool = createSegmentPool(tiers, state.logId, 0);
  try {
    for (const path of pool.unreadable) yield `no segment: ${path}`;
    yield* describeCuts(pool, state);
  } finally {
    void pool.close();
    for (const control of controls) control?.file.close();
  }
}

function* describeState(state: ControlState): Generator<string> {
  yield `agent log ${state.logId} of machine ${state.machineId}, state ${state.sequence}`;
  yield `boot ${state.bootId ?? 'unknown'}, in memory ${state.hotPath ?? 'nothing'}`;
  yield `tail ${describePosition(state.tail)}`;
  yield `end ${describePosition(state.end)}`;
  yield `point ${state.lastPointId ?? 'none'}, manifest ${state.lastManifest?.id ?? 'none'}`;
  for (const head of state.heads.values()) yield `head ${describeHead(head)}`;
  for (const head of state.freedHeads.values()) yield `freed ${describeHead(head)}`;
}

function* describeCuts(pool: SegmentPool, { tail, end }: ControlState): Generator<string> {
  if (tail === undefined || end === undefined) return;
  let position = tail;
  try {
    for (const cut of readCuts(pool, tail)) {
      const committed = cut.end.sequence <= end.sequence;
      yield* describeCut(cut, committed);
      position = cut.end;
    }
  } catch (reason) {
    if (!isHoldfastError(reason, 'DAMAGED')) throw reason;
    if (position.sequence < end.sequence) yield `DAMAGED ${reason.thing}: ${reason.why}`;
  }
}

function* describeCut(cut: ReadCut, committed: boolean): Generator<string> {
  const { point, epochs } = cut.cut;
  const what = point === undefined ? 'no point' : `point ${idText(point.id)}`;
  yield `cut ${idText(cut.cut.id)}, ${committed ? 'committed' : 'being committed'}, ${cut.bytes} bytes, ${what}, from ${describePosition(cut.start)}`;
  for (const epoch of epochs) yield `  ${describeEpoch(epoch)}`;
  try {
    verifyCut(cut);
  } catch (reason) {
    if (!isHoldfastError(reason, 'DAMAGED')) throw reason;
    yield `  DAMAGED ${reason.thing}: ${reason.why}`;
  }
}

const describePosition = (position: LogPosition | undefined): string =>
  position === undefined ? 'none' : `segment ${position.number} (${position.salt}) byte ${position.offset} record ${position.sequence}`;

const describeHead = ({ diskId, generationId, number, open, ended, diskSize }: HrlHead): string =>
  `disk ${diskId} generation ${generationId} epoch ${number}${open ? ' open' : ''}${ended ? ' ended' : ''}, ${diskSize} bytes`;

const describeEpoch = (epoch: Epoch): string =>
  `disk ${idText(epoch.diskId)} generation ${idText(epoch.generationId)} epoch ${epoch.number}${epoch.open ? ' open' : ''}, ` +
  `${epoch.frameCount} frames: ${epoch.dataBytes} data, ${epoch.zeroBytes} zero, ${epoch.unreadableBytes} unreadable bytes`;
