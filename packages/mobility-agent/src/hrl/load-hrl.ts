import { HoldfastError } from '@holdfast/errors';
import { newId } from '@holdfast/protocol';
import { CONTROL_FILE_NAME, CONTROL_FILE_SIZE, type ControlFile, openControlFile } from './control-file.ts';
import type { ControlState } from './control-slot.ts';
import { damaged } from './damage.ts';
import type { HrlDirectory } from './files.ts';
import type { Hrl } from './hrl.ts';
import { type RecoveredLog, recover } from './recover.ts';
import { createSegmentPool } from './segment-pool.ts';
import { createStoredHrl } from './stored-hrl.ts';
import { isSegmentName } from './tier-files.ts';

interface Place {
  readonly directory: HrlDirectory;
  /** Bytes segments may take there. */
  readonly limit: number;
}

export interface LoadOptions {
  readonly machineId: string;
  readonly cold: Place;
  readonly hot: Place | undefined;
  readonly segmentBytes: number;
  readonly bootId: string | undefined;
}

/** Opens the log that lies in the directories, or begins one. Changes nothing when it fails. */
export const loadHrl = (options: LoadOptions): Hrl => {
  const { cold, hot, segmentBytes, bootId, machineId } = options;
  const quotaBytes = cold.limit + (hot?.limit ?? 0);
  if (cold.limit < segmentBytes && (hot?.limit ?? 0) < segmentBytes) {
    throw invalid('quota of the agent log (.hrl)', `no segment of ${segmentBytes} bytes fits into it`, 'raise it');
  }
  const directories = hot === undefined ? [cold.directory] : [hot.directory, cold.directory];
  const found = directories.map(findControl);
  const state = newestState(found.map((control) => control?.newest));
  if (state === undefined) refuseOrphans(directories);
  else checkSettings(state, options);
  const logId = state?.logId ?? newId();
  const tiers = [...(hot === undefined ? [] : [{ name: 'hot' as const, ...hot }]), { name: 'cold' as const, ...cold }];
  const pool = createSegmentPool(tiers, logId, segmentBytes);
  try {
    const hotFound = state?.hotPath === undefined || (hot !== undefined && found[0]?.newest?.logId === logId);
    const recovered = state === undefined ? fresh(logId, machineId) : recover({ state, hotFound, bootId, pool });
    const controls = directories.map((directory, index) => usableControl(directory, found[index], logId));
    const opened = { ...recovered.state, bootId, hotPath: hot?.directory.path, sequence: recovered.state.sequence + 1 };
    for (const control of controls) control.write(opened);
    pool.retain(recovered.segments);
    return createStoredHrl({ ...recovered, state: opened, pool, controls, directories, quotaBytes });
  } catch (reason) {
    void pool.close();
    for (const control of found) control?.file.close();
    throw reason;
  }
};

/** The control file of a directory, if there is one. */
export const findControl = (directory: HrlDirectory): ControlFile | undefined =>
  directory.list().includes(CONTROL_FILE_NAME) ? openControlFile(directory.open(CONTROL_FILE_NAME)) : undefined;

/**
 * The state that counts, of those found in memory and on disk, in this order. The one on disk says which log this is: what lies in memory
 * may be the remainder of another.
 */
export const newestState = (states: readonly (ControlState | undefined)[]): ControlState | undefined => {
  const known = states.filter((state) => state !== undefined);
  const logId = known.at(-1)?.logId;
  return known.filter((state) => state.logId === logId).sort((a, b) => b.sequence - a.sequence)[0];
};

const refuseOrphans = (directories: readonly HrlDirectory[]): void => {
  for (const { path, list } of directories.map((directory) => ({ path: directory.path, list: directory.list() }))) {
    if (list.some(isSegmentName)) throw damaged(`${path}/${CONTROL_FILE_NAME}`, 0, 'there are segments, but no valid state of the log');
  }
};

const checkSettings = (state: ControlState, { machineId, hot, cold, bootId }: LoadOptions): void => {
  if (state.machineId !== machineId) {
    const thing = `agent log (.hrl) in ${cold.directory.path}`;
    throw invalid(thing, `it belongs to machine ${state.machineId}, this is ${machineId}`, 'give every machine a directory of its own');
  }
  if (state.bootId !== bootId || state.hotPath === undefined || state.hotPath === hot?.directory.path) return;
  throw invalid(
    'hot directory of the agent log (.hrl)',
    `cuts may lie in ${state.hotPath}`,
    'keep this setting until the machine is restarted',
  );
};

const fresh = (logId: string, machineId: string): RecoveredLog => ({
  state: {
    sequence: 0,
    logId,
    bootId: undefined,
    machineId,
    hotPath: undefined,
    tail: undefined,
    end: undefined,
    lastPointId: undefined,
    lastManifest: undefined,
    heads: new Map(),
    freedHeads: new Map(),
  },
  recovery: { boot: 'fresh', losses: [] },
  cuts: [],
  segments: [],
});

const usableControl = (directory: HrlDirectory, found: ControlFile | undefined, logId: string): ControlFile => {
  if (found?.newest?.logId === logId) return found;
  if (found !== undefined) {
    found.file.close();
    directory.remove(CONTROL_FILE_NAME);
  }
  return openControlFile(directory.create(CONTROL_FILE_NAME, CONTROL_FILE_SIZE));
};

const invalid = (thing: string, why: string, remedy: string): HoldfastError => new HoldfastError('SETTING_INVALID', { thing, why, remedy });
