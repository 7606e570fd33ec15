import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { collectManifest, createFileSource, createScanCapture, type Hrl } from '@holdfast/mobility-agent';
import { bootId } from '../host/kernel.ts';
import type { AgentCapture } from './agent-capture.ts';
import type { AgentSettings } from './messages.ts';

/** Captures image files by reading all of them and comparing digests: no root, no Linux, no trace. */
export const openScan = async (settings: AgentSettings, hrl: Hrl): Promise<AgentCapture> => {
  const stateDirectory = path.join(settings.directory, 'digests');
  mkdirSync(stateDirectory, { recursive: true });
  const { machineId } = settings;
  const boot = bootId();
  const capture = createScanCapture({
    machineId,
    hrl,
    disks: settings.disks.map((disk) => ({ id: disk.id, source: createFileSource(disk.path) })),
    stateDirectory,
    manifest: () => collectManifest({ machineId, disks: settings.disks, last: hrl.lastManifest }),
    ...(boot === undefined ? {} : { bootId: boot }),
  });
  return {
    resyncs: [],
    // The first scan is the copy, and a point already.
    copy: async ({ signal, onProgress }) => {
      if (settings.disks.every(({ id }) => hrl.heads().get(id)?.open === false)) return;
      await capture.scan({ signal, onProgress });
    },
    cut: async () => void (await capture.scan()),
    failure: new Promise<never>(() => undefined),
    close: async () => undefined,
  };
};
