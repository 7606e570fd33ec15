import type { DescMessage } from '@bufbuild/protobuf';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

/**
 * How many messages a serialized one would become, itself and all inside it, or more than `limit`: an empty one takes two bytes there and a hundred in
 * memory. Reads lengths only. Throws where the bytes are no message.
 */
export const countMessages = (schema: DescMessage, bytes: Uint8Array, limit: number): number => {
  let count = 0;
  const walk = (desc: DescMessage, reader: BinaryReader, end: number): void => {
    count += 1;
    const inner = messageFieldsOf(desc);
    while (reader.pos < end && count <= limit) {
      const [number, wireType] = reader.tag();
      const child = wireType === WireType.LengthDelimited ? inner.get(number) : undefined;
      if (child === undefined) reader.skip(wireType, number);
      else {
        const length = reader.uint32();
        walk(child, reader, reader.pos + length);
      }
    }
  };
  walk(schema, new BinaryReader(bytes), bytes.length);
  return count;
};

const known = new WeakMap<DescMessage, ReadonlyMap<number, DescMessage>>();

/** By number, the fields that hold messages. */
const messageFieldsOf = (desc: DescMessage): ReadonlyMap<number, DescMessage> => {
  const fields =
    known.get(desc) ?? new Map(desc.fields.flatMap((field) => (field.message === undefined ? [] : [[field.number, field.message]])));
  known.set(desc, fields);
  return fields;
};
