import { HoldfastError } from '@holdfast/errors';
import type { Fabric } from '../fabric.ts';

export interface QemuFabricOptions {
  /** Keeps one directory for each machine: overlays, sockets, logs. Short enough for Unix sockets in it: at most 60 bytes. */
  readonly directory: string;
  /** `qemu-system-x86_64` of the PATH unless told. */
  readonly program?: string;
  /** How machines are run; the best there is unless told. */
  readonly acceleration?: 'kvm' | 'tcg';
}

/** Machines as QEMU processes of this host. */
export const createQemuFabric = (_options: QemuFabricOptions): Fabric => {
  throw new HoldfastError('UNSUPPORTED_OPERATION', { thing: 'qemu', why: 'not built yet', remedy: 'wait for the next commit' });
};
