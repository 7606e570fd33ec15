import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { type AgentProtection, type CutContent, idText, PointKind } from '@holdfast/protocol';
import type { MachineCapture } from '../engine/machine-capture.ts';
import { type HoldPlaces, type PlannedHold, planConsistentHold, planHelpingHold, planSnapshotHold } from './plan-hold.ts';

/** Milliseconds a hold lasts at most where nobody says. */
const DEFAULT_LIMIT = 5000;

/** What became of a point that was asked for. */
export interface PointAnswer {
  readonly requestId: string;
  /** UNSPECIFIED when none was made. */
  readonly kind: PointKind;
  /** Milliseconds since 1970. */
  readonly unixMillis: number;
  /** Of the cut, as it is in the log until it is durable. */
  readonly cutId: string | undefined;
  readonly problem: HoldfastError | undefined;
}

export interface PointMakerOptions {
  /** Undefined: nothing can be held here, and points are crash-consistent. */
  readonly places: HoldPlaces | undefined;
  /** It is time for another point than the next one. */
  onDue(): void;
  /** A point is less than was wanted, or a hold went wrong. */
  onProblem(error: HoldfastError): void;
  /** A point of a higher kind was made. */
  onConsistent(kind: PointKind, report: { readonly frozenFor: number }): void;
}

/** Decides at each cut whether applications and file systems are to be at rest, and makes it. */
export interface PointMaker {
  /** What is wanted from now on. */
  adopt(protection: Pick<AgentProtection, 'applicationIntervalSeconds' | 'hold' | 'holdLimitMilliseconds' | 'pointRequest'>): void;
  /** Makes the next cut. `disks`: paths of those protected; `isWhole`: it will be a point of the whole machine. */
  cut(
    capture: MachineCapture,
    signal: AbortSignal,
    about: { readonly disks: readonly string[]; readonly isWhole: boolean },
  ): Promise<CutContent>;
  readonly answer: PointAnswer | undefined;
  /** Nothing is wanted any more; what was answered of points that are not durable counts no more. */
  forget(): void;
}

class PointMakerImpl implements PointMaker {
  readonly #options: PointMakerOptions;
  #interval = 0;
  #limit = DEFAULT_LIMIT;
  #hold = 'never';
  #due = false;
  #timer: NodeJS.Timeout | undefined;
  #request: { readonly id: string; readonly kind: PointKind } | undefined;
  #told: string | undefined;
  answer: PointAnswer | undefined;

  constructor(options: PointMakerOptions) {
    this.#options = options;
  }

  adopt({ applicationIntervalSeconds, hold, holdLimitMilliseconds, pointRequest }: Parameters<PointMaker['adopt']>[0]): void {
    this.#hold = hold;
    this.#limit = holdLimitMilliseconds || DEFAULT_LIMIT;
    if (this.#interval !== applicationIntervalSeconds * 1000) {
      this.#interval = applicationIntervalSeconds * 1000;
      // The first one soon: what comes with an interval may be wanted at once.
      this.#due = this.#interval > 0;
      this.#schedule();
    }
    const id = pointRequest === undefined ? undefined : idText(pointRequest.id);
    if (id === undefined) {
      this.#request = undefined;
      this.answer = undefined;
    } else if (id !== this.#request?.id && id !== this.answer?.requestId) {
      this.#request = { id, kind: pointRequest!.kind };
      this.answer = undefined;
      this.#options.onDue();
    }
  }

  async cut(
    capture: MachineCapture,
    signal: AbortSignal,
    { disks, isWhole }: { readonly disks: readonly string[]; readonly isWhole: boolean },
  ): Promise<CutContent> {
    const request = isWhole ? this.#request : undefined;
    const isDue = isWhole && this.#due;
    const wanted = Math.max(request?.kind ?? PointKind.CRASH, isDue ? PointKind.APPLICATION : PointKind.CRASH) as PointKind;
    if (isDue) {
      this.#due = false;
      this.#schedule();
    }
    const hold = this.#plan(wanted, disks);
    let content: CutContent;
    try {
      content = await capture.cut(signal, hold);
    } catch (reason) {
      const problem = hold?.problem;
      if (problem !== undefined && !this.#isKnown(problem)) this.#options.onProblem(problem);
      if (request !== undefined && isHoldfastError(reason, 'CAPTURE_NOT_CONVERGED'))
        this.#answered({ requestId: request.id, kind: PointKind.UNSPECIFIED, unixMillis: 0, cutId: undefined, problem: reason });
      throw reason;
    }
    this.#tell(content, wanted, hold, request?.id);
    return content;
  }

  forget(): void {
    clearTimeout(this.#timer);
    this.#interval = 0;
    this.#due = false;
    this.#request = undefined;
    this.answer = undefined;
  }

  #plan(wanted: PointKind, disks: readonly string[]): PlannedHold | undefined {
    const { places } = this.#options;
    if (places === undefined) return undefined;
    if (wanted > PointKind.CRASH) return planConsistentHold(wanted, this.#limit, disks, places);
    if (this.#hold === 'snapshot') return planSnapshotHold(disks, places);
    return this.#hold === 'throttle' || this.#hold === 'freeze'
      ? planHelpingHold(this.#hold === 'freeze', this.#limit, disks, places)
      : undefined;
  }

  #tell({ cut }: CutContent, wanted: PointKind, hold: PlannedHold | undefined, requestId: string | undefined): void {
    const { onProblem, onConsistent, places } = this.#options;
    const { point } = cut;
    const problem =
      places === undefined && wanted > PointKind.CRASH
        ? new HoldfastError('HOLD_FAILED', {
            thing: 'this machine',
            why: 'nothing can be held still here',
            remedy: 'run the agent as root',
          })
        : hold?.problem;
    if (problem !== undefined && !this.#isKnown(problem)) onProblem(problem);
    if (point === undefined) return;
    if (point.kind > PointKind.CRASH) onConsistent(point.kind, { frozenFor: hold?.report?.frozenFor ?? 0 });
    if (requestId === undefined) return;
    const unixMillis = Math.round(Number((point.instant?.unixNanos ?? 0n) / 1_000_000n));
    this.#answered({ requestId, kind: point.kind, unixMillis, cutId: idText(cut.id), problem });
  }

  /** How a machine is set up is told when it changes, not with every point. */
  #isKnown({ code, message }: HoldfastError): boolean {
    const isSetUp = code === 'POINT_NOT_CONSISTENT';
    const isKnown = isSetUp && this.#told === message;
    if (isSetUp) this.#told = message;
    return isKnown;
  }

  #answered(answer: PointAnswer): void {
    this.answer = answer;
    if (this.#request?.id === answer.requestId) this.#request = undefined;
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#interval === 0) return;
    this.#timer = setTimeout(() => {
      this.#due = true;
      this.#options.onDue();
    }, this.#interval);
    this.#timer.unref();
  }
}

export const createPointMaker = (options: PointMakerOptions): PointMaker => new PointMakerImpl(options);
