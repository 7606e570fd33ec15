import type { BenchContext } from '../bench.ts';
import type { Row } from '../row.ts';

/** A part of the bench `capture`: some rows that are measured together. */
export interface CaptureCase {
  /** For `--only`. */
  readonly name: string;
  run(context: BenchContext): Promise<Row[]>;
}
