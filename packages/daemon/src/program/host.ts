import type { NotifyHost } from '../notify/service-manager.ts';
import type { Lifecycle } from '../stop/lifecycle.ts';

/** What a signal stops. */
export type Stoppable = Pick<Lifecycle, 'stopping' | 'stop'>;

/** What a program needs of its process. */
export interface Host extends NotifyHost {
  /** Arguments behind the program's name. */
  readonly argv: readonly string[];
  readonly workingDirectory: string;
  readonly print: (text: string) => void;
  /** See CommandContext. */
  readonly readSecret: (prompt: string, stopping: AbortSignal) => Promise<string | undefined>;
  /** Called once the program can be stopped in order, with what stops it. */
  readonly attach: (lifecycle: Stoppable, say: (message: string, error: unknown) => void) => void;
}
