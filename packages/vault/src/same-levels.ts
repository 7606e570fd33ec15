import type { Catalogue } from '@holdfast/protocol';

/** True when two versions of a catalogue have the same runs, and so tell of the same compacted cuts. */
export const sameLevels = (a: Catalogue, b: Catalogue): boolean =>
  a.compacted === b.compacted &&
  a.runs.length === b.runs.length &&
  a.runs.every(({ object }, i) => Buffer.compare(object!.tag, b.runs[i]!.object!.tag) === 0);
