import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto';
import { HoldfastError } from '@holdfast/errors';

/*
 * A stream of bytes under a passphrase. Integers are big endian.
 *
 *   header   8  "HFBACKUP"      8  u8 version, 1     9  u8 log2 N of scrypt (RFC 7914)    10  u8 r    11  u8 p    12  16 bytes salt
 *   chunks   u32 bytes that follow, then AES-256-GCM: ciphertext and 16 bytes tag
 *
 * The nonce of a chunk is a byte that is 1 for the last one and 0 else, three zero bytes, and its number in eight; the header is authenticated
 * with every chunk. So chunks can neither be changed, nor left out, nor put in another order, nor the end be cut off (the STREAM construction of
 * Hoang, Reyhanitabar, Rogaway, Vizár, 2015).
 */

const MAGIC = Buffer.from('HFBACKUP');
const VERSION = 1;
const HEADER = 28;
const TAG = 16;
const CHUNK = 64 * 1024;
/** 2^17 * 8 * 128 bytes = 128 MiB, as OWASP's Password Storage Cheat Sheet advises. */
const COST = { log2: 17, blockSize: 8, parallelization: 1 };
/** What a file may ask of this machine. */
const MOST = { log2: 20, blockSize: 16, parallelization: 4 };

const deriveKey = (passphrase: string, header: Buffer): Promise<Buffer> => {
  const [log2, blockSize, parallelization] = [header[9]!, header[10]!, header[11]!];
  const cost = 2 ** log2;
  const options = { cost, blockSize, parallelization, maxmem: 256 * cost * blockSize };
  return new Promise((resolve, reject) =>
    scrypt(passphrase.normalize('NFKC'), header.subarray(12, HEADER), 32, options, (error, key) =>
      error === null ? resolve(key) : reject(error),
    ),
  );
};

const nonceOf = (number: number, isLast: boolean): Buffer => {
  const nonce = Buffer.alloc(12);
  nonce[0] = isLast ? 1 : 0;
  nonce.writeBigUInt64BE(BigInt(number), 4);
  return nonce;
};

const damaged = (thing: string, why: string): HoldfastError =>
  new HoldfastError('DAMAGED', { thing, why, remedy: 'use another copy of the backup' });

/** Encrypts `content`. */
export async function* seal(
  content: AsyncIterable<Uint8Array>,
  passphrase: string,
  { log2, blockSize, parallelization } = COST,
): AsyncGenerator<Uint8Array> {
  const header = Buffer.concat([MAGIC, Uint8Array.of(VERSION, log2, blockSize, parallelization), randomBytes(HEADER - MAGIC.length - 4)]);
  const key = await deriveKey(passphrase, header);
  yield header;
  let number = 0;
  const sealed = (plain: Uint8Array, isLast: boolean): Buffer => {
    const cipher = createCipheriv('aes-256-gcm', key, nonceOf(number, isLast)).setAAD(header);
    number += 1;
    const body = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(body.length);
    return Buffer.concat([length, body]);
  };
  let rest = Buffer.alloc(0);
  for await (const part of content) {
    rest = Buffer.concat([rest, part]);
    // The last chunk is told from the others, so one is kept back until more has come.
    for (; rest.length > CHUNK; rest = rest.subarray(CHUNK)) yield sealed(rest.subarray(0, CHUNK), false);
  }
  yield sealed(rest, true);
}

/** Takes pieces of any size and gives pieces of the size asked for. */
const createReader = (content: AsyncIterable<Uint8Array>) => {
  const source = content[Symbol.asyncIterator]();
  let rest = Buffer.alloc(0);
  return async (bytes: number): Promise<Buffer> => {
    while (rest.length < bytes) {
      const { value, done } = await source.next();
      if (done === true) break;
      rest = Buffer.concat([rest, value as Uint8Array]);
    }
    const taken = rest.subarray(0, bytes);
    rest = rest.subarray(taken.length);
    return taken;
  };
};

const requireHeader = (header: Buffer, thing: string): void => {
  if (header.length < HEADER || !header.subarray(0, MAGIC.length).equals(MAGIC))
    throw damaged(thing, 'it is no backup of a configuration server');
  if (header[8] !== VERSION)
    throw new HoldfastError('STATE_VERSION_UNSUPPORTED', {
      thing,
      why: `it has format ${header[8]}, and this version knows ${VERSION}`,
      remedy: 'use the version that wrote it, or a newer one',
    });
  const [log2, blockSize, parallelization] = [header[9]!, header[10]!, header[11]!];
  const fits = log2 >= 1 && log2 <= MOST.log2 && blockSize >= 1 && blockSize <= MOST.blockSize;
  if (!fits || parallelization < 1 || parallelization > MOST.parallelization)
    throw damaged(thing, 'it asks for more memory than any backup of ours');
};

/** Decrypts what `seal` made. Errors: DAMAGED, SIGN_IN_NEEDED for a wrong passphrase, STATE_VERSION_UNSUPPORTED. `thing` is what is read. */
export async function* unseal(content: AsyncIterable<Uint8Array>, passphrase: string, thing: string): AsyncGenerator<Uint8Array> {
  const read = createReader(content);
  const header = Buffer.from(await read(HEADER));
  requireHeader(header, thing);
  const key = await deriveKey(passphrase, header);
  const open = (body: Buffer, number: number, isLast: boolean): Buffer | undefined => {
    const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(number, isLast)).setAAD(header);
    decipher.setAuthTag(body.subarray(-TAG));
    try {
      return Buffer.concat([decipher.update(body.subarray(0, -TAG)), decipher.final()]);
    } catch {
      return undefined;
    }
  };
  for (let number = 0; ; number += 1) {
    const length = await read(4);
    if (length.length < 4) throw damaged(thing, 'its end is missing');
    const bytes = length.readUInt32BE();
    if (bytes < TAG || bytes > CHUNK + TAG) throw damaged(thing, `part ${number} is damaged`);
    const body = await read(bytes);
    if (body.length < bytes) throw damaged(thing, 'its end is missing');
    const plain = open(body, number, false);
    if (plain !== undefined) {
      yield plain;
      continue;
    }
    const last = open(body, number, true);
    if (last === undefined) {
      if (number > 0) throw damaged(thing, `part ${number} is damaged`);
      throw new HoldfastError('SIGN_IN_NEEDED', {
        thing,
        why: 'the passphrase does not open it, or its first part is damaged',
        remedy: 'give the passphrase it was made with (backup.passphrase-file of the server that made it)',
      });
    }
    if ((await read(1)).length > 0) throw damaged(thing, 'something stands behind its end');
    yield last;
    return;
  }
}
