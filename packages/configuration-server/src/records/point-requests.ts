import type { PointKind } from '@holdfast/protocol';
import { type Kind, plainKind } from './kind.ts';

/** A recovery point that a machine is asked for; its id is the machine's. */
export interface PointRequestRecord {
  /** 32 hexadecimal digits. */
  readonly requestId: string;
  readonly kind: PointKind;
}

export const pointRequests: Kind<PointRequestRecord> = plainKind('point-request', 1);
