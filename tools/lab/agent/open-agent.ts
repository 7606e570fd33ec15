import path from 'node:path';
import { openHrl } from '@holdfast/mobility-agent';
import { openStore } from '@holdfast/object-store';
import { type CutContent, idText } from '@holdfast/protocol';
import { openLogWriter, openVault, readKeyFile } from '@holdfast/vault';
import { type CountedContent, countFrames } from './counted-content.ts';
import { type AgentMessage, type AgentSettings, logInMemory } from './messages.ts';
import { openScan } from './open-scan.ts';
import { openTrace } from './open-trace.ts';
import { type Pipeline, startPipeline } from './pipeline.ts';
import { createPump } from './pump.ts';

/** The agent's log: in memory first, on disk when the vault is slow. */
const LOG = { quotaBytes: 1 << 30, segmentBytes: 16 << 20, memoryBytes: 128 << 20 };

export interface OpenedAgent {
  readonly pipeline: Pipeline;
  close(): Promise<void>;
}

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
  const { machineId, directory, trace } = settings;
  const hrl = await openHrl({
    machineId,
    directory: path.join(directory, 'log'),
    quotaBytes: LOG.quotaBytes,
    segmentBytes: LOG.segmentBytes,
    ...(trace === undefined ? {} : { hot: { directory: logInMemory(trace), bytes: LOG.memoryBytes } }),
  });
  const capture = trace === undefined ? await openScan(settings, hrl) : await openTrace(settings, trace, hrl);
  tell({ type: 'attached', resyncs: capture.resyncs });

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
