import { HoldfastError } from '@holdfast/errors';
import type { MachineCapture, OpenCaptureOptions } from './machine-capture.ts';
import { openScanCapture } from './open-scan-capture.ts';
import { openTraceCapture } from './open-trace-capture.ts';

/** Opens the capture that fits the disks. UNSUPPORTED_OPERATION for disks that cannot share one instant. */
export const openCapture = (options: OpenCaptureOptions): Promise<MachineCapture> => {
  const kinds = new Set(options.disks.map(({ kind }) => kind));
  if (kinds.size > 1) {
    throw new HoldfastError('UNSUPPORTED_OPERATION', {
      thing: 'the disks of this machine',
      why: 'block devices and image files have no instant in common',
      remedy: 'protect either the ones or the others',
    });
  }
  return kinds.has('image') ? openScanCapture(options) : openTraceCapture(options);
};
