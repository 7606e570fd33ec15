import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { HoldfastError } from '@holdfast/errors';
import { requestInvalid } from '../request-invalid.ts';

/** What is kept of a password; the parameters stand beside it, so that they can grow. */
export interface PasswordRecord {
  readonly salt: string;
  readonly key: string;
  /** Parameters of scrypt, RFC 7914: N, r and p. */
  readonly cost: number;
  readonly blockSize: number;
  readonly parallelization: number;
}

/** Makes and compares what is kept of passwords, few at a time: each takes much memory and a good part of a second. */
export interface Passwords {
  keep(password: string): Promise<PasswordRecord>;
  /** Takes as long for a user that does not exist. Rejects with TOO_MANY_ATTEMPTS when too many wait already. */
  isRight(password: string, record: PasswordRecord | undefined): Promise<boolean>;
}

type Parameters = Pick<PasswordRecord, 'cost' | 'blockSize' | 'parallelization'>;

/** r and p, as OWASP's Password Storage Cheat Sheet advises for a cost of 2^16. */
const SHAPE = { blockSize: 8, parallelization: 2 } as const;
const KEY_BYTES = 32;
const SALT_BYTES = 16;
const SHORTEST = 12;
const LONGEST = 256;
const AT_A_TIME = 2;
const MOST_WAITING = 64;

/** The same letters in the same bytes, however they were typed. */
const bytesOf = (password: string): Buffer => Buffer.from(password.normalize('NFKC'));

/** Throws REQUEST_INVALID for a password that is too easy or too long. Length is what counts (NIST SP 800-63B, 5.1.1). */
export const checkPassword = (password: string, name: string): void => {
  const length = [...password].length;
  if (length < SHORTEST || length > LONGEST)
    throw requestInvalid('password', `it has ${length} characters`, `take ${SHORTEST} to ${LONGEST}; a few words are good`);
  if (new Set(password).size < 5) throw requestInvalid('password', 'it repeats a few characters', 'take one that cannot be guessed');
  if (password.toLowerCase().includes(name.toLowerCase()) && name.length > 2)
    throw requestInvalid('password', 'the name of the user is in it', 'take one that cannot be guessed');
};

/** Runs a few at a time; the others wait in order. */
const createGate = (atATime: number, mostWaiting: number) => {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= atATime) {
      if (waiting.length >= mostWaiting)
        throw new HoldfastError('TOO_MANY_ATTEMPTS', {
          thing: 'password',
          why: `${waiting.length} others are being compared`,
          remedy: 'try again in a minute',
        });
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else running += 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
};

const derive = (password: string, salt: Buffer, { cost, blockSize, parallelization }: Parameters): Promise<Buffer> =>
  new Promise((resolve, reject) =>
    scrypt(bytesOf(password), salt, KEY_BYTES, { cost, blockSize, parallelization, maxmem: 256 * cost * blockSize }, (error, key) =>
      error === null ? resolve(key) : reject(error),
    ),
  );

export const createPasswords = (cost: number): Passwords => {
  const parameters: Parameters = { cost, ...SHAPE };
  const inTurn = createGate(AT_A_TIME, MOST_WAITING);
  const keep = async (password: string): Promise<PasswordRecord> => {
    const salt = randomBytes(SALT_BYTES);
    const key = await inTurn(() => derive(password, salt, parameters));
    return { salt: salt.toString('base64'), key: key.toString('base64'), ...parameters };
  };
  const nobody: PasswordRecord = { salt: '', key: Buffer.alloc(KEY_BYTES).toString('base64'), ...parameters };
  return {
    keep,
    async isRight(password, record = nobody) {
      // A longer one was never taken, and is not worth the time.
      if ([...password].length > LONGEST) return false;
      const key = await inTurn(() => derive(password, Buffer.from(record.salt, 'base64'), record));
      return timingSafeEqual(key, Buffer.from(record.key, 'base64')) && record !== nobody;
    },
  };
};
