import { formatBytes, parseBytes } from './quantities.ts';
import { formatWindow, parseWindow, type WrittenWindow } from './time-window.ts';

/** When, and how many bytes a second at most; 0: as many as there are. */
export interface WrittenBandwidthRule {
  /** Undefined: always. */
  readonly window: WrittenWindow | undefined;
  readonly bytesPerSecond: bigint;
}

/** What a rule looks like. */
export const BANDWIDTH_RULE = '[DAYS] [HH:MM-HH:MM] BYTES, such as "mon-fri 08:00-18:00 2MiB", "sat+sun unlimited" or "20MiB"';

/** Below this a frame would take longer to send than a stream may be silent. */
const LEAST = 16 * 1024;

/** Reads one rule. Throws an Error that says what is wrong. */
export const parseBandwidthRule = (text: string): WrittenBandwidthRule => {
  const words = text.trim().toLowerCase().split(/\s+/);
  const rate = words.pop()!;
  const bytes = rate === 'unlimited' ? 0 : parseBytes(text.trim().split(/\s+/).at(-1)!);
  if (bytes !== 0 && bytes < LEAST) throw new Error(`less than ${LEAST} bytes a second`);
  if (rate !== 'unlimited' && bytes === 0) throw new Error('none at all: pause the copy or the protection instead');
  if (words.length > 2) throw new Error(`it is not ${BANDWIDTH_RULE}`);
  return { window: parseWindow(words.join(' ')), bytesPerSecond: BigInt(bytes) };
};

/** As `parseBandwidthRule` takes it. */
export const formatBandwidthRule = ({ window, bytesPerSecond }: WrittenBandwidthRule): string =>
  [...(window === undefined ? [] : [formatWindow(window)]), bytesPerSecond === 0n ? 'unlimited' : formatBytes(Number(bytesPerSecond))].join(
    ' ',
  );
