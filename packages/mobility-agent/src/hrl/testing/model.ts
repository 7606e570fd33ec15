import type { Hrl } from '../hrl.ts';
import { loadHrl } from '../load-hrl.ts';
import type { MemoryDisk } from './memory-disk.ts';
import { appendFrames, type CutShape, MACHINE, nextCut, readBack, type ScriptedCut } from './scripted-cuts.ts';

export const SEGMENT_BYTES = 2048;
export const BOOT_ID = 'b007'.repeat(8);

export interface OpenOptions {
  readonly hotSegments?: number;
  readonly coldSegments?: number;
  readonly bootId?: string;
}

/** Opens the log on a disk in memory, with segments so small that cuts span several. */
export const openOn = (disk: MemoryDisk, { hotSegments = 3, coldSegments = 6, bootId = BOOT_ID }: OpenOptions = {}): Hrl =>
  loadHrl({
    machineId: MACHINE,
    cold: { directory: disk.directory('/cold'), limit: coldSegments * SEGMENT_BYTES },
    hot: hotSegments === 0 ? undefined : { directory: disk.directory('/hot'), limit: hotSegments * SEGMENT_BYTES },
    segmentBytes: SEGMENT_BYTES,
    bootId,
  });

export type Action =
  | { readonly kind: 'commit'; readonly shape: CutShape }
  | { readonly kind: 'abandon'; readonly shape: CutShape }
  /** Frees the oldest cut while another one is being written, then commits that. */
  | { readonly kind: 'free during'; readonly shape: CutShape }
  | { readonly kind: 'free' }
  | { readonly kind: 'reopen' };

/** What must be in the log. */
export interface Expected {
  /** Prints of the committed cuts. */
  readonly cuts: readonly string[];
  /** Disk → "generation:number". */
  readonly heads: Readonly<Record<string, string>>;
  readonly lastPointId: string | undefined;
}

export const observe = async (hrl: Hrl): Promise<Expected> => ({ cuts: await readBack(hrl), ...observeHeads(hrl) });

export const observeHeads = (hrl: Hrl): Omit<Expected, 'cuts'> => ({
  heads: Object.fromEntries([...hrl.heads()].map(([disk, { generationId, number }]) => [disk, `${generationId}:${number}`])),
  lastPointId: hrl.lastPointId,
});

/** Runs actions against the log and against a plain list; `onStep` gets what must be in the log after each action. */
export const runActions = async (
  disk: MemoryDisk,
  actions: readonly Action[],
  onStep: (expected: Expected) => void,
  options?: OpenOptions,
): Promise<Hrl> => {
  let hrl = openOn(disk, options);
  let cuts: ScriptedCut[] = [];
  const step = (): void => onStep({ cuts: cuts.map(({ print }) => print), ...observeHeads(hrl) });
  step();
  for (const action of actions) {
    switch (action.kind) {
      case 'reopen':
        await hrl.close();
        hrl = openOn(disk, options);
        break;
      case 'free':
        if (cuts[0] === undefined) continue;
        hrl.free(cuts[0].id);
        cuts = cuts.slice(1);
        break;
      default: {
        const writer = hrl.begin();
        try {
          const scripted = appendFrames(writer, action.shape);
          if (action.kind === 'free during' && cuts[0] !== undefined) {
            hrl.free(cuts[0].id);
            cuts = cuts.slice(1);
            step();
          }
          if (action.kind === 'abandon') writer.abandon();
          else {
            writer.commit(nextCut(hrl.heads(), writer, scripted));
            cuts = [...cuts, scripted];
          }
        } catch (reason) {
          if ((reason as { code?: string }).code !== 'NO_SPACE') throw reason;
        }
      }
    }
    step();
  }
  return hrl;
};
