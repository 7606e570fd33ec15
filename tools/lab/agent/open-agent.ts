import path from 'node:path';
import { createTraceCapture, createWriteTrace, type Hrl, identifyDevice, openDiskSource, openHrl } from '@holdfast/mobility-agent';
import { openStore } from '@holdfast/object-store';
import { type CutContent, idText } from '@holdfast/protocol';
import { openLogWriter, openVault, readKeyFile } from '@holdfast/vault';
import { bootId } from '../host/kernel.ts';
import { type CountedContent, countFrames } from './counted-content.ts';
import { labManifest } from './lab-manifest.ts';
import type { AgentDisk, AgentMessage, AgentSettings } from './messages.ts';
import { type Pipeline, startPipeline } from './pipeline.ts';
import { createPump } from './pump.ts';

/** Kernel memory for events, all CPUs together. */
const TRACE_BUFFER_BYTES = 32 << 20;
/** The agent's log: in memory first, on disk when the vault is slow. */
const LOG = { quotaBytes: 1 << 30, segmentBytes: 16 << 20, memoryBytes: 128 << 20 };

export interface OpenedAgent {
  readonly pipeline: Pipeline;
  close(): Promise<void>;
}

const resyncOf = (hrl: Hrl, disk: AgentDisk, continuity: { readonly kind: string; readonly reason?: string }): string[] =>
  continuity.kind === 'continuous' || !hrl.heads().has(disk.id)
    ? []
    : [`${disk.path}: ${continuity.reason ?? 'nothing is known of its past'}`];

/** What the supervisor wants to know of a cut that became durable. */
const durableMessage = ({ cut, sent }: CountedContent): AgentMessage => ({
  type: 'durable',
  piece: cut.epochs.some(({ open }) => open),
  changed: cut.epochs.reduce((sum, { dataBytes, zeroBytes }) => sum + Number(dataBytes + zeroBytes), 0),
  sent,
  point: cut.point === undefined ? undefined : { id: idText(cut.point.id), instant: String(cut.point.instant?.monotonicNanos ?? 0n) },
});

/** Puts an agent together in this process: capture, its log, the vault; and sets it to work. */
export const openAgent = async (
  settings: AgentSettings,
  tell: (message: AgentMessage) => void,
  stop: AbortSignal,
): Promise<OpenedAgent> => {
  const { machineId, machineName, stateName, memoryDirectory } = settings;
  const session = createWriteTrace({ machineId, stateName, memoryDirectory, bufferBytes: TRACE_BUFFER_BYTES });
  const hrl = await openHrl({
    machineId,
    directory: path.join(settings.directory, 'log'),
    quotaBytes: LOG.quotaBytes,
    segmentBytes: LOG.segmentBytes,
    hot: { directory: path.join(memoryDirectory, `${stateName}-log`), bytes: LOG.memoryBytes },
  });
  const disks = settings.disks.map((disk) => ({ ...disk, device: identifyDevice(disk.path) }));
  const manifest = labManifest({ machineId, machineName, disks });
  const capture = createTraceCapture({
    machineId,
    session,
    hrl,
    bootId: bootId(),
    manifest: async () => manifest,
    checkConflicts: settings.conflictCheck,
  });
  const resyncs: string[] = [];
  for (const disk of disks) {
    const source = openDiskSource(disk.device, () => hrl.files());
    resyncs.push(...resyncOf(hrl, disk, await capture.attach({ id: disk.id, device: disk.device, source })));
  }
  tell({ type: 'attached', resyncs });

  const vault = await openVault(await openStore(settings.vault.url), await readKeyFile(settings.vault.keyFile));
  const writer = await openLogWriter(vault, machineId);
  const onTheWay = new Map<CutContent, CountedContent>();
  const pump = createPump({
    log: hrl,
    writer: {
      append: (content) => {
        const counted = countFrames(content);
        onTheWay.set(content, counted);
        return writer.append(counted);
      },
    },
    idOf: ({ cut }) => idText(cut.id),
    onDurable: (content) => {
      tell(durableMessage(onTheWay.get(content)!));
      onTheWay.delete(content);
    },
  });
  const pipeline = startPipeline({ capture, pump, pointEvery: settings.pointEvery, tell, stop });
  return {
    pipeline,
    close: async () => {
      await capture.close();
      await writer.close();
      await vault.close();
      await hrl.close();
    },
  };
};
