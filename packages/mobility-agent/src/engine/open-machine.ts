import { type CutContent, idText, type ReplicationStream } from '@holdfast/protocol';
import type { CopyingOptions } from '../capture/copying.ts';
import type { Hrl } from '../hrl/hrl.ts';
import { createSender, type Sender, type SenderStatus, type SenderWaits } from '../sender/sender.ts';
import { openSenderMemory, type SenderMemory } from '../sender/sender-memory.ts';
import { type MachinePlaces, machineFiles, openMachineLog } from './machine-log.ts';
import { createVaultDigests } from './vault-digests.ts';

/** What is open while a machine is protected: its log, and who carries it to the vault. */
export interface OpenMachine {
  readonly hrl: Hrl;
  readonly memory: SenderMemory;
  readonly sender: Sender;
  /** What the vault has of a disk. */
  readonly digests: NonNullable<CopyingOptions['digests']>;
  /** Everything that is not in the vault stays in the log. */
  close(): Promise<void>;
}

export interface OpenMachineOptions {
  readonly places: MachinePlaces;
  /** Of the agent. */
  readonly version: string;
  readonly waits: SenderWaits;
  readonly servers: readonly string[];
  connect(address: string): Promise<ReplicationStream>;
  /** Somebody waits until this cut is durable. */
  isAwaited(cutId: string): boolean;
  /** Bytes a second that may be sent at the moment; 0: no limit. */
  limit(): number;
  onDurable(content: CutContent): void;
  onResyncNeeded(diskId: string, reason: string): void;
  onChange(status: SenderStatus): void;
}

export const openMachine = async ({ places, ...options }: OpenMachineOptions): Promise<OpenMachine> => {
  const { machineId } = places;
  const memory = await openSenderMemory(machineFiles(places).senderMemory);
  const hrl = await openMachineLog(places);
  const sender = createSender({ ...options, machineId, log: hrl, memory });
  const digests = createVaultDigests({
    sender,
    isHeld: (diskId, { generationId, number }) =>
      hrl
        .committed()
        .some(({ cut }) =>
          cut.epochs.some(
            (epoch) => Number(epoch.number) === number && idText(epoch.generationId) === generationId && idText(epoch.diskId) === diskId,
          ),
        ),
  });
  return {
    hrl,
    memory,
    sender,
    digests,
    async close() {
      await sender.stop();
      await memory.flush();
      await hrl.close();
    },
  };
};
