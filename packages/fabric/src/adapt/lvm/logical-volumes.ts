import type { Section, Value } from './config.ts';

const SECTOR = 512;

/** A run of a logical volume that lies on one or more physical ones by turns, `stripeBytes` on each. */
export interface Segment {
  /** Bytes, within the logical volume. */
  readonly start: number;
  readonly length: number;
  readonly stripeBytes: number;
  /** Id of the physical volume, and the byte of it where this begins. */
  readonly stripes: readonly { readonly physical: string; readonly offset: number }[];
}

export interface LogicalVolume {
  readonly group: string;
  readonly name: string;
  readonly size: number;
  readonly segments: readonly Segment[];
  /** Why it cannot be put together: it is a mirror, a snapshot, thin … */
  readonly why: string | undefined;
}

const textOf = (value: Value | undefined): string => (typeof value === 'string' ? value : '');
const numberOf = (value: Value | undefined): number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : Number.NaN;
const listOf = (value: Value | undefined): readonly (string | number)[] => (Array.isArray(value) ? value : []);

/** The volumes of a group that machines see, by the text that describes it. */
export const logicalVolumes = (text: Section): LogicalVolume[] =>
  [...text.sections].flatMap(([group, section]) => {
    const extent = numberOf(section.values.get('extent_size')) * SECTOR;
    const physical = new Map(
      [...(section.sections.get('physical_volumes')?.sections ?? [])].map(([name, { values }]) => [
        name,
        { id: textOf(values.get('id')).replaceAll('-', ''), start: numberOf(values.get('pe_start')) * SECTOR },
      ]),
    );
    return [...(section.sections.get('logical_volumes')?.sections ?? [])]
      .filter(([, { values }]) => listOf(values.get('status')).includes('VISIBLE'))
      .map(([name, { sections }]) => {
        const segments: Segment[] = [];
        let why: string | undefined;
        for (const { values } of [...sections].filter(([key]) => /^segment\d+$/.test(key)).map(([, one]) => one)) {
          const type = textOf(values.get('type'));
          if (type !== 'striped') {
            why = `it is of the kind ${type || 'unknown'}`;
            break;
          }
          const list = listOf(values.get('stripes'));
          const stripes = Array.from({ length: Math.floor(list.length / 2) }, (_, at) => {
            const found = physical.get(String(list[at * 2]));
            return { physical: found?.id ?? '', offset: (found?.start ?? Number.NaN) + numberOf(list[at * 2 + 1]) * extent };
          });
          segments.push({
            start: numberOf(values.get('start_extent')) * extent,
            length: numberOf(values.get('extent_count')) * extent,
            stripeBytes: stripes.length > 1 ? numberOf(values.get('stripe_size')) * SECTOR : Number.MAX_SAFE_INTEGER,
            stripes,
          });
        }
        segments.sort((a, b) => a.start - b.start);
        return { group, name, segments, size: segments.reduce((sum, { length }) => sum + length, 0), why: why ?? gapIn(segments) };
      });
  });

/** Numbers come from another machine: what they say has to be one run from the first byte on. */
const gapIn = (segments: readonly Segment[]): string | undefined => {
  let end = 0;
  for (const { start, length, stripes, stripeBytes } of segments) {
    const isSound =
      start === end && length > 0 && stripeBytes > 0 && stripes.length > 0 && stripes.every(({ offset }) => Number.isSafeInteger(offset));
    if (!isSound || !Number.isSafeInteger(start + length)) return 'its segments make no whole';
    end = start + length;
  }
  return end === 0 ? 'it has no segments' : undefined;
};

/** Where the bytes of a range lie, in order. */
export function* placesOf(
  { segments }: LogicalVolume,
  offset: number,
  length: number,
): Generator<{ physical: string; offset: number; length: number }> {
  for (let at = offset; at < offset + length; ) {
    const segment = segments.find(({ start, length: size }) => at < start + size)!;
    const within = at - segment.start;
    const stripe = Math.floor(within / segment.stripeBytes);
    const inStripe = within % segment.stripeBytes;
    const { physical, offset: begin } = segment.stripes[stripe % segment.stripes.length]!;
    const size = Math.min(offset + length - at, segment.start + segment.length - at, segment.stripeBytes - inStripe);
    yield { physical, offset: begin + Math.floor(stripe / segment.stripes.length) * segment.stripeBytes + inStripe, length: size };
    at += size;
  }
}
