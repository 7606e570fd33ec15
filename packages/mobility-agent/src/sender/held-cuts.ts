import { HoldfastError } from '@holdfast/errors';
import { type CutContent, type DiskProgress, idText, type LogAnchor } from '@holdfast/protocol';
import type { Hrl } from '../hrl/hrl.ts';
import type { SenderMemory } from './sender-memory.ts';

/** The committed cuts that are not known to be durable, and what becomes of them. */
export interface HeldCuts {
  /** By id, oldest first. Whoever iterates sees what is committed meanwhile. */
  list(): ReadonlyMap<string, CutContent>;
  /** They are in the vault: the memory is kept first, then they are freed, in order. Cuts not held are passed over. */
  durable(cutIds: readonly string[], anchor: LogAnchor | undefined): Promise<void>;
  /** Throws VAULT_ROLLED_BACK when the vault holds less of a disk than was freed here. */
  checkProgress(disks: readonly DiskProgress[]): void;
  /** The cut that is being read is not freed until another is, or none. */
  reading(cutId: string | undefined): void;
}

export interface HeldCutsOptions {
  readonly log: Pick<Hrl, 'committed' | 'free' | 'heads'>;
  readonly memory: SenderMemory;
  onDurable(content: CutContent): void;
}

export const rolledBack = (thing: string, why: string): HoldfastError =>
  new HoldfastError('VAULT_ROLLED_BACK', {
    thing,
    why,
    remedy: 'find out who restored or changed the store; nothing is sent until the vault is whole again',
  });

const laterOf = (a: LogAnchor | undefined, b: LogAnchor | undefined): LogAnchor | undefined =>
  a === undefined || (b !== undefined && b.sequence > a.sequence) ? b : a;

const changedBytes = ({ cut }: CutContent): number =>
  cut.epochs.reduce((sum, { dataBytes, zeroBytes }) => sum + Number(dataBytes + zeroBytes), 0);

const pointMillis = ({ cut }: CutContent): number => Number((cut.point?.instant?.unixNanos ?? 0n) / 1_000_000n);

export const createHeldCuts = ({ log, memory, onDurable }: HeldCutsOptions): HeldCuts => {
  const held = new Map<string, CutContent>();
  /** Durable, but not freed: an older cut is not durable, or it is being read. */
  const waiting = new Map<string, CutContent>();
  let newest: CutContent | undefined;
  let beingRead: string | undefined;

  /** Takes in what was committed since the last look. */
  const refresh = (): void => {
    const committed = log.committed();
    const last = committed.at(-1);
    if (last === undefined || last === newest) return;
    const known = newest === undefined ? -1 : committed.lastIndexOf(newest);
    for (const content of committed.slice(known + 1)) held.set(idText(content.cut.id), content);
    newest = last;
  };

  const free = (): void => {
    for (const content of log.committed()) {
      const id = idText(content.cut.id);
      if (!waiting.has(id) || id === beingRead) return;
      log.free(id);
      waiting.delete(id);
      onDurable(content);
    }
  };

  return {
    list() {
      refresh();
      return held;
    },
    async durable(cutIds, anchor) {
      refresh();
      const cuts = cutIds.flatMap((id) => held.get(id) ?? []);
      if (cuts.length === 0) return;
      await memory.remember(
        {
          anchor: laterOf(memory.current.anchor, anchor),
          newestPoint: Math.max(memory.current.newestPoint, ...cuts.map(pointMillis)),
          points: memory.current.points + cuts.filter(({ cut }) => cut.point !== undefined).length,
        },
        cuts.reduce((sum, content) => sum + changedBytes(content), 0),
      );
      for (const content of cuts) {
        const id = idText(content.cut.id);
        held.delete(id);
        waiting.set(id, content);
      }
      free();
    },
    checkProgress(disks) {
      const committed = log.committed();
      for (const { diskId, durableThrough } of disks) {
        if (durableThrough === undefined) continue;
        const id = idText(diskId);
        const generationId = idText(durableThrough.generationId);
        const epochs = committed.flatMap(({ cut }) => cut.epochs.filter((epoch) => idText(epoch.diskId) === id));
        const oldest = epochs.find((epoch) => idText(epoch.generationId) === generationId);
        const head = log.heads().get(id);
        // What is not in the log any more was freed, and only what is durable is.
        const freed = oldest !== undefined ? oldest.number - 1n : head?.generationId === generationId ? BigInt(head.number) : -1n;
        if (durableThrough.number >= freed) continue;
        throw rolledBack(`disk ${id} in the vault`, `it ends at epoch ${durableThrough.number}, but epoch ${freed} was durable once`);
      }
    },
    reading(cutId) {
      beingRead = cutId;
      free();
    },
  };
};
