// Every (key, nonce) that anybody ever sealed something under, whatever became of it.
import { createHash } from 'node:crypto';
import { forwardStore, type ObjectStore } from '@holdfast/object-store';
import { HEADER_SIZE, readHeader, TAG_SIZE } from '../object-header.ts';

/** The boxes of an object by key and nonce. The key comes from data key, salt, vault, machine and kind; the nonce is part and number. */
const boxesOf = (bytes: Buffer): Map<string, string> => {
  const { rootGeneration = 1, keyEpoch, salt, vaultId, machineId, kind, ...lengths } = readHeader(bytes, 'object');
  const key = [rootGeneration, keyEpoch, Buffer.from(salt).toString('hex'), vaultId, machineId, kind].join(' ');
  const boxes = new Map<string, string>();
  const take = (part: number, number: number, start: number, end: number): void => {
    // Ciphertext and tag say all about the box: content and authenticated data.
    boxes.set(`${key} ${part} ${number}`, createHash('sha1').update(bytes.subarray(start, end)).digest('base64'));
  };
  const indexAt = HEADER_SIZE + lengths.recordsLength;
  const framesAt = indexAt + lengths.indexLength;
  take(0, 0, HEADER_SIZE - TAG_SIZE, HEADER_SIZE);
  take(1, 0, HEADER_SIZE, indexAt);
  if (lengths.indexLength > 0) take(2, 0, indexAt, framesAt);
  if (lengths.framesLength > 0) take(3, 0, framesAt, bytes.length);
  return boxes;
};

export class NonceBook {
  readonly #boxes = new Map<string, string>();
  /** Keys and nonces that sealed more than one thing. */
  readonly repeated: string[] = [];

  /** Pairs seen so far. */
  get size(): number {
    return this.#boxes.size;
  }

  take(bytes: Buffer): void {
    for (const [pair, box] of boxesOf(bytes)) {
      if ((this.#boxes.get(pair) ?? box) !== box) this.repeated.push(pair);
      this.#boxes.set(pair, box);
    }
  }

  /** The same store; everything that is to be created goes into the book. */
  over(inner: ObjectStore): ObjectStore {
    return recording(inner, (content) => this.take(content));
  }
}

/** The keys and nonces that sealed more than one thing. */
export const repeated = (sealed: readonly Buffer[]): readonly string[] => {
  const book = new NonceBook();
  for (const bytes of sealed) book.take(bytes);
  return book.repeated;
};

/** The same store; everything that anybody tries to create is told, whatever becomes of it. */
export const recording = (inner: ObjectStore, tell: (content: Buffer) => void): ObjectStore => ({
  ...forwardStore(inner),
  create: (name, content) => {
    // Key slots are no objects of this kind: they have keys and salts of their own.
    if (!name.startsWith('keys/')) tell(Buffer.from(content));
    return inner.create(name, content);
  },
});
