import { STRING_LIMIT } from './protocol.ts';

/** What `NBD_OPT_INFO` and `NBD_OPT_GO` ask. */
export interface ExportQuery {
  readonly name: string;
  /** Numbers of the kinds of information wanted. */
  readonly wanted: readonly number[];
}

/** What `NBD_OPT_LIST_META_CONTEXT` and `NBD_OPT_SET_META_CONTEXT` ask. */
export interface MetaQuery {
  readonly name: string;
  readonly contexts: readonly string[];
}

/** Undefined when the data is malformed. */
export const parseExportQuery = (data: Buffer): ExportQuery | undefined => {
  const fields = new Fields(data);
  const name = fields.string();
  const count = fields.number(2);
  const wanted = Array.from({ length: Math.min(count, data.length) }, () => fields.number(2));
  return fields.exact ? { name, wanted } : undefined;
};

/** Undefined when the data is malformed. */
export const parseMetaQuery = (data: Buffer): MetaQuery | undefined => {
  const fields = new Fields(data);
  const name = fields.string();
  const count = fields.number(4);
  const contexts = Array.from({ length: Math.min(count, data.length) }, () => fields.string());
  return fields.exact ? { name, contexts } : undefined;
};

/** Reads fields one after the other; a field that isn't all there makes everything wrong instead of throwing. */
class Fields {
  readonly #data: Buffer;
  #at = 0;

  constructor(data: Buffer) {
    this.#data = data;
  }

  /** True when every field was there and nothing is left over. */
  get exact(): boolean {
    return this.#at === this.#data.length;
  }

  number(size: 2 | 4): number {
    const from = this.#advance(size);
    return from === undefined ? 0 : this.#data.readUIntBE(from, size);
  }

  string(): string {
    const length = this.number(4);
    const from = length > STRING_LIMIT ? this.#advance(Number.POSITIVE_INFINITY) : this.#advance(length);
    return from === undefined ? '' : this.#data.toString('utf8', from, from + length);
  }

  #advance(size: number): number | undefined {
    const from = this.#at;
    this.#at += size;
    return this.#at <= this.#data.length ? from : undefined;
  }
}

/** A string with its length before it. */
export const encodeString = (text: string): Buffer => {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
};
