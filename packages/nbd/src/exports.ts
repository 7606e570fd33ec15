import type { BlockDevice } from '@holdfast/block';
import { FLAG } from './protocol.ts';

/** A device offered to clients. It stays open when the server is closed. */
export interface NbdExport {
  readonly device: BlockDevice;
  /** Shown to people who list the exports. */
  readonly description?: string;
  /** Refuses writes even where the device would take them. */
  readonly readOnly?: boolean;
  /** False: clients are not told which parts hold data (`base:allocation`), so that no question about that can fail. */
  readonly describesAllocation?: boolean;
}

/** The exports by name; a `Map` will do, or something that opens a device when it is asked for. The empty name is the default export. */
export interface NbdExports {
  get(name: string): NbdExport | undefined | Promise<NbdExport | undefined>;
  keys(): Iterable<string>;
}

export const isReadOnly = ({ device, readOnly }: NbdExport): boolean => readOnly === true || device.readOnly;

/** What a client is told an export can do. All connections share one device, so several are as good as one. */
export const transmissionFlags = (exported: NbdExport, structured: boolean): number => {
  const writing = isReadOnly(exported) ? FLAG.READ_ONLY : FLAG.SEND_TRIM | FLAG.SEND_WRITE_ZEROES;
  return (
    FLAG.HAS_FLAGS | FLAG.SEND_FLUSH | FLAG.SEND_FUA | FLAG.SEND_CACHE | FLAG.CAN_MULTI_CONN | writing | (structured ? FLAG.SEND_DF : 0)
  );
};
