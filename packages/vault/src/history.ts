import { type Cut, type Epoch, type Generation, type GenerationSummary, idText, type Manifest, type Point } from '@holdfast/protocol';
import type { CatalogueVersion } from './catalogue.ts';
import type { AssembledCut, FrameRun } from './cut-assembler.ts';
import { damaged } from './damage.ts';
import type { Finding } from './finding.ts';
import type { Anchor, DiskHead, FailedOver } from './head.ts';
import type { LevelSource } from './level-source.ts';
import { Lineage } from './lineage.ts';
import type { MachineSummary } from './machine.ts';
import type { SegmentSource } from './segment-source.ts';
import type { Vault } from './vault.ts';

/** An epoch and where its frames are. */
export interface EpochEntry {
  readonly epoch: Epoch;
  /** Number of its cut. */
  readonly cut: number;
  readonly runs: readonly FrameRun[];
}

export interface GenerationHistory {
  readonly id: string;
  readonly diskId: string;
  readonly generation: Generation;
  /** Number of the cut of its epoch 0. */
  readonly firstCut: number;
  /** By number; those that were thinned are missing. */
  readonly epochs: readonly EpochEntry[];
}

/** A point a machine can be started from: every member's epoch is in the vault. */
export interface RecoveryPoint {
  readonly id: string;
  /** Milliseconds since 1970 by the source's clock; order comes from the position in the list. */
  readonly time: number;
  readonly point: Point;
  /** Ids of its disks. */
  readonly disks: readonly string[];
  readonly manifest: Manifest | undefined;
}

/** Everything a machine's log says, read at one moment. */
export interface MachineHistory {
  readonly vault: Vault;
  readonly machine: MachineSummary;
  /** To be kept as an anchor for the next reading. */
  readonly head: Anchor;
  /** The newest epoch of each disk, by disk id. */
  readonly heads: ReadonlyMap<string, DiskHead>;
  readonly failedOver: FailedOver | undefined;
  /** By id. */
  readonly manifests: ReadonlyMap<string, Manifest>;
  /** By id, in the order they began. */
  readonly generations: ReadonlyMap<string, GenerationHistory>;
  /** Oldest first. */
  readonly points: readonly RecoveryPoint[];
  /** Damage that ended the reading early; what is before it is whole. */
  readonly damage: readonly Finding[];
  /** Slots that a repair stepped over: what they held is lost. */
  readonly lost: readonly { readonly first: number; readonly last: number }[];
  /** What the reading began with. */
  readonly catalogue: CatalogueVersion | undefined;
  /** When the store created versions of the catalogue, by number, as far as that was asked for. */
  readonly created: ReadonlyMap<number, number>;
  /** The tags of the slots that count, by sequence, as far as they are still needed. */
  readonly tags: ReadonlyMap<number, string>;
  /** Reads what the slots hold. */
  readonly segments: SegmentSource;
  /** Reads what lies below the tail of the log. */
  readonly levels: LevelSource;
}

interface GenerationEntries extends GenerationHistory {
  readonly epochs: EpochEntry[];
}

/** Gathers the cuts of a machine into generations, manifests and points. */
export class HistoryBuilder {
  readonly manifests = new Map<string, Manifest>();
  readonly generations = new Map<string, GenerationEntries>();
  readonly #lineage: Lineage;
  readonly #points: Point[] = [];

  constructor(machineId: string) {
    this.#lineage = new Lineage(machineId);
  }

  /** Errors: DAMAGED when the cut breaks the rules of lineage. `name` is the slot's. */
  add({ number, cut, runs }: Pick<AssembledCut, 'number' | 'cut' | 'runs'>, name: string): void {
    admit(this.#lineage, cut, name);
    for (const generation of cut.generations) {
      const id = idText(generation.id);
      this.generations.set(id, { id, diskId: idText(generation.diskId), generation, firstCut: number, epochs: [] });
    }
    this.#take(number, cut, runs);
  }

  #take(number: number, cut: Cut, runs: AssembledCut['runs']): void {
    for (const [index, epoch] of cut.epochs.entries())
      this.generations.get(idText(epoch.generationId))?.epochs.push({ epoch, cut: number, runs: runs[index]! });
    if (cut.manifest !== undefined) this.manifests.set(idText(cut.manifest.id), cut.manifest);
    if (cut.point !== undefined) this.#points.push(cut.point);
  }

  /** Begins with what is known of generations of which cuts were thinned. */
  load(summaries: readonly GenerationSummary[]): void {
    this.#lineage.load(summaries);
    for (const { generation, firstCut } of summaries) {
      const id = idText(generation!.id);
      const diskId = idText(generation!.diskId);
      this.generations.set(id, { id, diskId, generation: generation!, firstCut: Number(firstCut), epochs: [] });
    }
  }

  /** Takes a cut in that is told among others that were thinned. */
  tell({ number, cut, runs }: Pick<AssembledCut, 'number' | 'cut' | 'runs'>): void {
    this.#lineage.tell(cut);
    this.#take(number, cut, runs);
  }

  heads(): Map<string, DiskHead> {
    return this.#lineage.heads();
  }

  /** What is known of a generation, for those who thin. */
  summaryOf(generationId: string): ReturnType<Lineage['summaryOf']> {
    return this.#lineage.summaryOf(generationId);
  }

  /** The points whose every member is there. */
  points(): RecoveryPoint[] {
    return this.#points
      .filter((point) => point.members.length > 0 && point.members.every((member) => this.#lineage.hasState(member)))
      .map((point) => ({
        id: idText(point.id),
        time: Number((point.instant?.unixNanos ?? 0n) / 1_000_000n),
        point,
        disks: point.members.map(({ diskId }) => idText(diskId)),
        manifest: this.manifests.get(idText(point.manifestId)),
      }));
  }
}

/** Takes a cut of the log into a lineage. Errors: DAMAGED when it breaks the rules. */
export const admit = (lineage: Lineage, cut: Cut, name: string): void => {
  let verdict: string;
  try {
    verdict = lineage.judge(cut);
  } catch (cause) {
    throw damaged(name, `the log contradicts itself: ${cause instanceof Error ? cause.message : cause}`, cause);
  }
  if (verdict !== 'new') throw damaged(name, `the log contradicts itself: cut ${idText(cut.id)} is in it twice`);
  lineage.add(cut);
};
