// What may stand in an object that should not: changes of any field of any record, of indexes, of frames, and of what headers say.
import fc from 'fast-check';
import type { ForgedVault, OpenedObject } from './forged-vault.ts';

/** One change; numbers choose among what there is. */
export type Forgery =
  | { readonly at: 'field'; readonly object: number; readonly field: number; readonly value: number }
  | { readonly at: 'records'; readonly object: number; readonly place: number; readonly bytes: Uint8Array; readonly drop: number }
  | { readonly at: 'index'; readonly object: number; readonly place: number; readonly value: number }
  | { readonly at: 'frame'; readonly object: number; readonly frame: number; readonly place: number; readonly value: number }
  | { readonly at: 'frames'; readonly object: number; readonly frame: number; readonly how: 'drop' | 'double' | 'swap' | 'cut' }
  | { readonly at: 'header'; readonly object: number; readonly field: 'frameCount' | 'framesLength' | 'number'; readonly value: number };

const place = fc.nat(2 ** 20);

export const forgery: fc.Arbitrary<Forgery> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ at: fc.constant('field' as const), object: place, field: place, value: place }) },
  {
    weight: 2,
    arbitrary: fc.record({
      at: fc.constant('records' as const),
      object: place,
      place,
      bytes: fc.uint8Array({ maxLength: 8 }),
      drop: fc.nat(8),
    }),
  },
  { weight: 5, arbitrary: fc.record({ at: fc.constant('index' as const), object: place, place, value: place }) },
  { weight: 4, arbitrary: fc.record({ at: fc.constant('frame' as const), object: place, frame: place, place, value: place }) },
  {
    weight: 1,
    arbitrary: fc.record({
      at: fc.constant('frames' as const),
      object: place,
      frame: place,
      how: fc.constantFrom('drop' as const, 'double' as const, 'swap' as const, 'cut' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      at: fc.constant('header' as const),
      object: place,
      field: fc.constantFrom('frameCount' as const, 'framesLength' as const, 'number' as const),
      value: place,
    }),
  },
);

/** Numbers that programs stumble over. */
const NUMBERS = [0, 1, 2, 3, 4095, 4096, 65_535, 65_536, 2 ** 20, 2 ** 24, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];
const LARGE = [2n ** 32n, 2n ** 40n, 2n ** 52n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];

/** Applies them. What they changed; nothing when there is nothing of the kind. */
export const forge = (vault: ForgedVault, forgeries: readonly Forgery[]): ReadonlySet<OpenedObject> => {
  const changed = new Set<OpenedObject>();
  for (const change of forgeries) {
    const candidates = vault.objects.filter((object) => has(object, change));
    if (candidates.length === 0) continue;
    // By kind first: there are more slots and terms than of all else.
    const kinds = [...new Set(candidates.map(({ header }) => header.kind))];
    const ofKind = candidates.filter(({ header }) => header.kind === kinds[change.object % kinds.length]);
    const object = ofKind[Math.floor(change.object / kinds.length) % ofKind.length]!;
    apply(vault, object, change);
    changed.add(object);
  }
  return changed;
};

const has = ({ index, frames }: OpenedObject, { at }: Forgery): boolean =>
  at === 'index' ? index.length > 0 : at === 'frame' || at === 'frames' ? frames.length > 0 : true;

const apply = (vault: ForgedVault, object: OpenedObject, change: Forgery): void => {
  switch (change.at) {
    case 'field':
      changeField(vault, object, change);
      return;
    case 'records': {
      const records = object.rawRecords ?? vault.recordsOf(object);
      const at = change.place % (records.length + 1);
      object.rawRecords = Buffer.concat([records.subarray(0, at), change.bytes, records.subarray(at + change.drop)]);
      return;
    }
    case 'index': {
      // A number of it, or its length.
      const at = (change.place % (Math.ceil(object.index.length / 4) + 1)) * 4;
      if (at + 4 > object.index.length) object.index = object.index.subarray(0, change.value % object.index.length);
      else object.index.writeUInt32LE(numberFor(change.value, object.index.readUInt32LE(at)), at);
      return;
    }
    case 'frame': {
      const frame = object.frames[change.frame % object.frames.length]!;
      // Its header and its extents more often than its data.
      const at = change.place % Math.min(frame.length - 3, change.value % 4 === 0 ? frame.length : 96);
      frame.writeUInt32LE(numberFor(change.value, frame.readUInt32LE(at)), at);
      return;
    }
    case 'frames': {
      const { frames } = object;
      const at = change.frame % frames.length;
      if (change.how === 'drop') frames.splice(at, 1);
      else if (change.how === 'double') frames.push(frames[at]!);
      else if (change.how === 'swap') frames.reverse();
      else frames[at] = frames[at]!.subarray(0, change.frame % frames[at]!.length);
      return;
    }
    case 'header':
      object.lies = {
        ...object.lies,
        [change.field]: change.field === 'framesLength' ? Number(LARGE[change.value % 4]!) : numberFor(change.value, 1),
      };
  }
};

const numberFor = (value: number, before: number): number => {
  const choices = [...NUMBERS, before + 1, before - 1, before * 2, before ^ (1 << (value % 31))];
  return choices[value % choices.length]! >>> 0;
};

/** A field of a message or of one inside it, a member of a list, or what a oneof holds. */
interface Field {
  readonly of: Record<string, unknown> | unknown[];
  readonly key: string | number;
}

const fieldsOf = (value: unknown): Field[] => {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return [];
  const keys = Array.isArray(value) ? value.keys() : Object.keys(value).filter((key) => key !== '$typeName' && key !== '$unknown');
  return [...keys].flatMap((key) => [{ of: value as Field['of'], key }, ...fieldsOf((value as Record<string | number, unknown>)[key])]);
};

const contentOf = ({ of, key }: Field): unknown => (of as Record<string | number, unknown>)[key];

const changeField = (vault: ForgedVault, object: OpenedObject, { field, value }: Extract<Forgery, { at: 'field' }>): void => {
  const fields = fieldsOf(object.message);
  if (fields.length === 0) return;
  const chosen = fields[field % fields.length]!;
  const before = contentOf(chosen);
  (chosen.of as Record<string | number, unknown>)[chosen.key] = other(vault, before, value);
};

/** Something else of the same type, if that can be. */
const other = (vault: ForgedVault, before: unknown, value: number): unknown => {
  if (typeof before === 'bigint') {
    const choices = [...NUMBERS.map(BigInt), ...LARGE, before + 1n, before === 0n ? 0n : before - 1n];
    return choices[value % choices.length];
  }
  if (typeof before === 'number') return numberFor(value, before);
  if (typeof before === 'boolean') return !before;
  if (typeof before === 'string') return ['', 'x'.repeat(value % 5000), '../../etc', '\u0000', 'cut'][value % 5];
  if (before instanceof Uint8Array) {
    // Mostly what stands elsewhere: an id or a tag that there is.
    const elsewhere = vault.objects
      .flatMap(({ message }) => fieldsOf(message).map(contentOf))
      .filter((found) => found instanceof Uint8Array);
    const choices = [new Uint8Array(0), new Uint8Array(16), new Uint8Array(3), new Uint8Array(32), ...elsewhere];
    return choices[value % choices.length];
  }
  if (Array.isArray(before)) {
    const at = value % (before.length || 1);
    const choices = [
      [],
      before.toSpliced(at, 1),
      [...before, ...before.slice(at, at + 1)],
      before.toReversed(),
      Array.from({ length: before.length * 500 }, (_, i) => before[i % before.length]),
    ];
    return choices[value % choices.length];
  }
  return undefined;
};
