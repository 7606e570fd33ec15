import { mkdirSync } from 'node:fs';
import { isHoldfastError } from '@holdfast/errors';
import { createScanCapture } from '../scan/scan-capture.ts';
import { createFileSource } from '../scan/scan-source.ts';
import type { MachineCapture, OpenCaptureOptions } from './machine-capture.ts';
import { createManifestSource } from './manifest-source.ts';
import { readBootId } from './open-trace-capture.ts';

/** Captures image files by reading all of them and comparing digests. */
export const openScanCapture = async ({ machineId, hrl, disks, policy, stateDirectory }: OpenCaptureOptions): Promise<MachineCapture> => {
  mkdirSync(stateDirectory, { recursive: true });
  const capture = createScanCapture({
    machineId,
    hrl,
    disks: disks.map(({ id, path }) => ({ id, source: createFileSource(path) })),
    stateDirectory,
    manifest: createManifestSource(machineId, disks, hrl),
    bootId: readBootId(),
    get codec() {
      return policy.codec;
    },
    get excludedDisks() {
      return policy.excludedDisks;
    },
  });
  let copied = false;
  return {
    resyncs: new Map(),
    missing: new Map(),
    scanned: new Map(),
    failure: new Promise<never>(() => undefined),
    retryMissing: async () => undefined,
    // The first scan is the copy, and a point already.
    async copy({ signal, onProgress }) {
      if (!disks.every(({ id }) => hrl.heads().get(id)?.open === false)) {
        try {
          await capture.scan({ signal, onProgress });
        } catch (reason) {
          if (isHoldfastError(reason, 'INTERRUPTED') && signal.aborted) return;
          throw reason;
        }
      }
      copied = !signal.aborted;
    },
    get canCut() {
      return copied;
    },
    async cut(signal) {
      const { content } = await capture.scan({ signal });
      return content;
    },
    // Every scan compares all of it with what was read before.
    sample: async () => undefined,
    close: async () => undefined,
  };
};
