import type { CutContent } from '@holdfast/protocol';
import type { Clock } from './clock.ts';
import type { Anchor, DiskHead } from './head.ts';
import { notYet, type Vault } from './vault.ts';

/** The slot that made a cut durable; the newest one is the anchor to keep. */
export type Durable = Anchor;

export interface LogWriterOptions {
  /** The highest term the caller has ever seen; the writer's term is above it. */
  readonly seenTerm?: number;
  /** A slot that must still be there, else VAULT_ROLLED_BACK. */
  readonly anchor?: Anchor;
  /** Slots written at the same time, 4 unless told. */
  readonly inFlight?: number;
  readonly clock?: Clock;
}

/** The one writer of a machine's log, as long as nobody takes a higher term. */
export interface LogWriter {
  readonly term: number;
  /** The newest durable epoch of each disk, by disk id; follows the appends. */
  readonly heads: ReadonlyMap<string, DiskHead>;
  /** The newest durable slot. */
  readonly head: Anchor;
  /**
   * Appends a cut; resolves when it is durable and the term was seen to be still the highest after that. May be called again before the
   * last call resolved; order of calls is order in the log. A cut that is durable already with the same content resolves at once.
   *
   * Errors: FENCED (somebody took over: the writer is done), EPOCH_CONFLICT (an epoch of that identity holds something else),
   * PROTOCOL_VIOLATION (a gap, an unknown generation, parent or member), DAMAGED (frames that fail their checksum or digest); after the last three
   * the cuts appended behind it are refused too and the writer can go on. INTERRUPTED when the writer was closed.
   */
  append(content: CutContent): Promise<Durable>;
  /** Stops; what is not durable is refused with INTERRUPTED, though it may still turn out to be in the log. */
  close(): Promise<void>;
}

/** Takes a new term, reads the log to its head, fences older writers out. Errors: MACHINE_NOT_FOUND, FENCED, VAULT_ROLLED_BACK, DAMAGED. */
export const openLogWriter = async (_vault: Vault, machineId: string, _options: LogWriterOptions = {}): Promise<LogWriter> =>
  notYet(machineId);
