import { idText } from '@holdfast/protocol';
import type { EpochPosition } from '../upload/uploader.ts';

/** The newest epoch of each disk that this side has: of its vault, of its journal, or taken in since. */
export interface AcceptedEpochs {
  of(diskId: string): EpochPosition | undefined;
  /** True for an epoch that the log of the machine had when the stream opened, of whichever generation. */
  isInLog(epoch: EpochPosition): boolean;
  /** These came. What an agent offers once more, because it did not hear that it is durable, takes nothing back. */
  take(epochs: readonly { readonly diskId: Uint8Array; readonly generationId: Uint8Array; readonly number: bigint }[]): void;
}

/** `known`: by disk, as it is when the stream opens. `log`: epochs that the log has then of each generation. */
export const createAcceptedEpochs = (known: ReadonlyMap<string, EpochPosition>, log: ReadonlyMap<string, number>): AcceptedEpochs => {
  const newest = new Map(known);
  const isInLog = ({ generationId, number }: EpochPosition): boolean => number < (log.get(generationId) ?? 0);
  return {
    of: (diskId) => newest.get(diskId),
    isInLog,
    take(epochs) {
      for (const epoch of epochs) {
        const [diskId, generationId, number] = [idText(epoch.diskId), idText(epoch.generationId), Number(epoch.number)];
        if (isInLog({ generationId, number })) continue;
        const last = newest.get(diskId);
        if (last?.generationId !== generationId || last.number < number) newest.set(diskId, { generationId, number });
      }
    },
  };
};
