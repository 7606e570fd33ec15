import { type Kind, plainKind } from './kind.ts';

/** A machine that shall come to rest, and then power off; its id is the machine's. */
export interface ShutdownRequestRecord {
  /** 32 hexadecimal digits. */
  readonly requestId: string;
  readonly powerOff: boolean;
}

export const shutdownRequests: Kind<ShutdownRequestRecord> = plainKind('shutdown-request', 1);
