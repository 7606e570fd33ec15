import type { BlockDevice } from '@holdfast/block';
import type { MachineHistory } from './history.ts';
import { notYet } from './vault.ts';

export interface ViewOptions {
  /** Bytes of decoded frames kept in memory, 64 MiB unless told. */
  readonly cacheBytes?: number;
}

/**
 * One disk at one recovery point as a read-only block device, read lazily out of the vault. Errors: POINT_NOT_FOUND; reading:
 * UNREADABLE_EXTENT (the source could not read it), DAMAGED (names object and range).
 */
export const openView = async (
  _history: MachineHistory,
  pointId: string,
  _diskId: string,
  _options: ViewOptions = {},
): Promise<BlockDevice> => notYet(pointId);
