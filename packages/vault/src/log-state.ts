import { idText, type SegmentRecords } from '@holdfast/protocol';
import { type Anchor, EMPTY_LOG, type FailedOver, failedOverOf } from './head.ts';
import type { Slot } from './slot.ts';

/** What decides whether the next slot counts, and what the log says about the machine. docs/format.md, "Which slots count". */
export class LogState {
  /** The last slot that counts. */
  head: Anchor = EMPTY_LOG;
  failedOver: FailedOver | undefined;
  /** Slots of lower terms don't count. */
  fenceTerm = 0;

  /** As it is now, to go on from elsewhere. */
  copy(): LogState {
    return Object.assign(new LogState(), { head: this.head, failedOver: this.failedOver, fenceTerm: this.fenceTerm });
  }

  /** True when the slot counts; the others are orphans, left by writers that were fenced out, and are stepped over. */
  accepts({ previousTag, records }: Pick<Slot, 'previousTag' | 'records'>): boolean {
    return previousTag === this.head.tag && records.term >= this.fenceTerm;
  }

  /** Goes on behind a slot that counts. */
  advance({ sequence, tag, records }: Pick<Slot, 'sequence' | 'tag' | 'records'>): void {
    this.head = { sequence, tag, term: Number(records.term) };
    this.#takeRecords(records);
  }

  #takeRecords({ records }: SegmentRecords): void {
    for (const { record } of records) {
      if (record.case === 'fence') this.fenceTerm = Number(record.value.term);
      else if (record.case === 'failover') this.failedOver = failedOverOf(record.value);
      // The release of another operation came too late: what it meant ended before.
      else if (record.case === 'release' && this.failedOver?.operationId === idText(record.value.operationId)) this.failedOver = undefined;
    }
  }
}
