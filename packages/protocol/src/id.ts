import { randomBytes } from 'node:crypto';

/** Bytes of the ids of machines, disks, generations, cuts, points and manifests. They are random and say nothing. */
export const ID_SIZE = 16;

/** A new id as the 32 lower-case hexadecimal digits used in names, output and keys of maps. */
export const newId = (): string => randomBytes(ID_SIZE).toString('hex');

/** The bytes of an id as messages carry it. */
export const idBytes = (id: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(id, 'hex'));

/** The text of an id carried by a message. */
export const idText = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');

/** True for the text of an id. */
export const isId = (text: string): boolean => /^[0-9a-f]{32}$/.test(text);
