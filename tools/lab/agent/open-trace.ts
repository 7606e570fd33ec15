import { collectManifest, createTraceCapture, createWriteTrace, type Hrl, identifyDevice, openDiskSource } from '@holdfast/mobility-agent';
import { bootId } from '../host/kernel.ts';
import type { AgentCapture } from './agent-capture.ts';
import type { AgentSettings, TraceSettings } from './messages.ts';

/** Kernel memory for events, all CPUs together. */
const TRACE_BUFFER_BYTES = 32 << 20;

/** Captures whole disks by the kernel's trace of their writes. */
export const openTrace = async (settings: AgentSettings, trace: TraceSettings, hrl: Hrl): Promise<AgentCapture> => {
  const { machineId } = settings;
  const { stateName, memoryDirectory, conflictCheck } = trace;
  const session = createWriteTrace({ machineId, stateName, memoryDirectory, bufferBytes: TRACE_BUFFER_BYTES });
  const disks = settings.disks.map((disk) => ({ ...disk, device: identifyDevice(disk.path) }));
  const capture = createTraceCapture({
    machineId,
    session,
    hrl,
    bootId: bootId() ?? '',
    manifest: () => collectManifest({ machineId, disks: settings.disks, last: hrl.lastManifest }),
    checkConflicts: conflictCheck,
  });
  const resyncs: string[] = [];
  for (const { id, path, device } of disks) {
    const known = hrl.heads().has(id);
    const continuity = await capture.attach({ id, device, source: openDiskSource(device, () => hrl.files()) });
    if (known && continuity.kind !== 'continuous')
      resyncs.push(`${path}: ${continuity.kind === 'lost' ? continuity.reason : 'nothing is known of its past'}`);
  }
  return {
    resyncs,
    copy: (options) => capture.copy(options),
    cut: async () => void (await capture.publish(await capture.propose())),
    failure: capture.failure,
    close: () => capture.close(),
  };
};
