import { damaged } from '../damage.ts';

/** The secret of a key slot, as a key that stays with a service wrapped it. */
export interface RemoteSecret {
  /** The key, without its version. */
  readonly keyId: string;
  readonly version: string;
  readonly wrapped: Uint8Array;
}

/** Bytes that the three fields have at most, each behind its u16 length. */
export const REMOTE_LIMIT = 4096;
const KEY_ID_LIMIT = 1024;
const VERSION_LIMIT = 256;

/** docs/format.md, "Key slot": u16 and key id, u16 and version, u16 and wrapped secret. */
export const encodeRemote = ({ keyId, version, wrapped }: RemoteSecret): Buffer => {
  const fields = [Buffer.from(keyId, 'utf8'), Buffer.from(version, 'utf8'), Buffer.from(wrapped)];
  return Buffer.concat(
    fields.flatMap((field) => {
      const length = Buffer.alloc(2);
      length.writeUInt16LE(field.length);
      return [length, field];
    }),
  );
};

/** Errors: DAMAGED. */
export const parseRemote = (bytes: Buffer, name: string): RemoteSecret => {
  let at = 0;
  const next = (what: string, limit: number): Buffer => {
    if (at + 2 > bytes.length) throw damaged(name, `its ${what} is missing`);
    const length = bytes.readUInt16LE(at);
    at += 2 + length;
    if (length === 0 || length > limit || at > bytes.length) throw damaged(name, `its ${what} has an impossible length`);
    return bytes.subarray(at - length, at);
  };
  const keyId = next('key id', KEY_ID_LIMIT).toString('utf8');
  const version = next('key version', VERSION_LIMIT).toString('utf8');
  const wrapped = next('wrapped secret', REMOTE_LIMIT);
  if (at !== bytes.length) throw damaged(name, 'bytes follow its wrapped secret');
  return { keyId, version, wrapped };
};
