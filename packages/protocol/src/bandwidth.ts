import type { BandwidthRule, TimeWindow } from './gen/holdfast/v1/control_pb.ts';
import { isWithin } from './time-window.ts';

/** A rule as it is written down or sent. */
export interface BandwidthLimit extends Pick<BandwidthRule, 'bytesPerSecond'> {
  readonly window?: Pick<TimeWindow, 'weekdays' | 'fromMinute' | 'toMinute'> | undefined;
}

/** Most bytes a second that may be sent at that moment, by the clock of this machine: those of the first rule that fits. 0: no limit. */
export const bytesPerSecondAt = (rules: readonly BandwidthLimit[], instant: Date): number =>
  Number(rules.find(({ window }) => window === undefined || isWithin(window, instant))?.bytesPerSecond ?? 0n);
