import type { OutputStream } from '../surroundings.ts';

/** How good the news is. */
export type Tone = 'good' | 'warning' | 'bad' | 'quiet';

/** Select graphic rendition (ECMA-48): green, yellow, red, faint. */
const CODES: Readonly<Record<Tone, number>> = { good: 32, warning: 33, bad: 31, quiet: 2 };

/** Words in the colour of their tone. */
export const paint = (text: string, tone: Tone): string => (text === '' ? '' : `\u001b[${CODES[tone]}m${text}\u001b[0m`);

/** Colours are for terminals only, and for people who did not say no (https://no-color.org). */
export const wantsColours = ({ isTTY }: OutputStream, { NO_COLOR = '', TERM }: Readonly<Record<string, string | undefined>>): boolean =>
  isTTY === true && NO_COLOR === '' && TERM !== 'dumb';
