import { fromBinary } from '@bufbuild/protobuf';
import { type Cut, CutSchema } from '@holdfast/protocol';
import type { JournaledCut } from './journal.ts';
import type { Segment } from './segments.ts';

/** What has records in the journal. */
export interface Held {
  readonly machineId: string;
  readonly cutId: string;
  /** Where they are. */
  readonly segments: Iterable<Segment>;
}

/**
 * A cut without frames in the journal. There are many of them, of machines in which nothing changes, and each waits for minutes to go into its vault: it
 * is kept as the bytes that it has in the journal.
 */
export class WholeCut implements JournaledCut, Held {
  readonly machineId: string;
  readonly cutId: string;
  readonly bytes: number;
  readonly verified = true;
  readonly damage = undefined;
  readonly #segment: Segment;
  readonly #encoded: Uint8Array;
  #settle: ((cut: Held) => void) | undefined;

  /** `encoded`: its `Cut`. `bytes`: of its record. */
  constructor(
    { machineId, cutId }: { readonly machineId: string; readonly cutId: string },
    { segment, bytes, encoded }: { readonly segment: Segment; readonly bytes: number; readonly encoded: Uint8Array },
    settle: (cut: Held) => void,
  ) {
    this.machineId = machineId;
    this.cutId = cutId;
    this.bytes = bytes;
    this.#segment = segment;
    this.#encoded = encoded;
    this.#settle = settle;
  }

  get segments(): readonly Segment[] {
    return [this.#segment];
  }

  get cut(): Cut {
    return fromBinary(CutSchema, this.#encoded);
  }

  async *frames(): AsyncGenerator<Uint8Array> {}

  release(): void {
    this.#settle?.(this);
    this.#settle = undefined;
  }
}
