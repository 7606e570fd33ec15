import { pipeline, Readable } from 'node:stream';
import { createGunzip, createGzip } from 'node:zlib';
import { HoldfastError } from '@holdfast/errors';
import { seal, unseal } from './sealed-stream.ts';

/*
 * What stands in a backup, under its passphrase and gzip: a JSON value a line. First {"holdfast": "configuration-server", "version": 1, "made":
 * TIME, "software": VERSION}; then {"file": NAME, "text": …} for each file of the certificate authority and {"key": KEY, "value": …} for each
 * record of the state store; last {"end": COUNT}, the number of lines between.
 */

const VERSION = 1;
/** Characters of the longest line: the longest record by far is the manifest of a machine with hundreds of disks. */
const LONGEST_LINE = 16 * 1024 * 1024;

export type BackupItem = { readonly file: string; readonly text: string } | { readonly key: string; readonly value: unknown };

export interface BackupHead {
  /** Milliseconds since 1970. */
  readonly made: number;
  readonly software: string;
}

async function* writtenLines(head: BackupHead, items: AsyncIterable<BackupItem>): AsyncGenerator<string> {
  yield `${JSON.stringify({ holdfast: 'configuration-server', version: VERSION, ...head })}\n`;
  let count = 0;
  for await (const item of items) {
    yield `${JSON.stringify(item)}\n`;
    count += 1;
  }
  yield `${JSON.stringify({ end: count })}\n`;
}

/** The bytes of a backup. */
export const writeBackup = (head: BackupHead, items: AsyncIterable<BackupItem>, passphrase: string): AsyncIterable<Uint8Array> => {
  const packed = createGzip();
  // An error of the items ends the stream that is read here, with it.
  pipeline(Readable.from(writtenLines(head, items)), packed, () => undefined);
  return seal(packed as AsyncIterable<Uint8Array>, passphrase);
};

const damaged = (thing: string, why: string): HoldfastError =>
  new HoldfastError('DAMAGED', { thing, why, remedy: 'use another copy of the backup' });

const parse = (line: string, thing: string): Record<string, unknown> => {
  try {
    return Object(JSON.parse(line)) as Record<string, unknown>;
  } catch {
    throw damaged(thing, 'a line of it is no JSON');
  }
};

async function* parsedLines(content: AsyncIterable<Uint8Array>, thing: string): AsyncGenerator<Record<string, unknown>> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const part of content) {
    const [first = '', ...others] = decoder.decode(part, { stream: true }).split('\n');
    rest += first;
    if (rest.length > LONGEST_LINE) throw damaged(thing, 'a line of it is too long');
    for (const other of others) {
      yield parse(rest, thing);
      rest = other;
    }
  }
  throw damaged(thing, 'its last line is missing');
}

/** Reads a backup: its head, then its items. Errors as of `unseal`; DAMAGED also when items are missing. */
export const readBackup = async (
  content: AsyncIterable<Uint8Array>,
  passphrase: string,
  thing: string,
): Promise<{ readonly head: BackupHead; readonly items: AsyncIterable<BackupItem> }> => {
  const unpacked = createGunzip();
  // An error of the source ends what is read here, with it.
  pipeline(Readable.from(unseal(content, passphrase, thing)), unpacked, () => undefined);
  const lines = parsedLines(unpacked, thing);
  const next = async (): Promise<Record<string, unknown>> => (await lines.next()).value as Record<string, unknown>;
  const { holdfast, version, made, software } = await next();
  if (holdfast !== 'configuration-server') throw damaged(thing, 'it is no backup of a configuration server');
  if (version !== VERSION)
    throw new HoldfastError('STATE_VERSION_UNSUPPORTED', {
      thing,
      why: `its content has form ${String(version)}, and this version knows ${VERSION}`,
      remedy: 'use the version that wrote it, or a newer one',
    });
  async function* items(): AsyncGenerator<BackupItem> {
    for (let count = 0; ; count += 1) {
      const item = await next();
      if (item.end !== undefined) {
        if (item.end !== count) throw damaged(thing, `${count} of ${String(item.end)} parts are there`);
        return;
      }
      if (typeof item.file === 'string' && typeof item.text === 'string') yield { file: item.file, text: item.text };
      else if (typeof item.key === 'string') yield { key: item.key, value: item.value };
      else throw damaged(thing, 'a line of it is neither file nor record');
    }
  }
  return { head: { made: Number(made), software: String(software) }, items: items() };
};
