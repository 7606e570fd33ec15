import { Readable } from 'node:stream';
import { HoldfastError } from '@holdfast/errors';

const CHUNK = 256 * 1024;

/** More than any object that Holdfast makes; an answer that large is not kept in memory. */
const LARGEST_ANSWER = 1024 ** 3;

/** The content as a stream, told of every piece that went out. With the whole buffer at once nobody could tell a slow link from a dead one. */
export const sendBody = (content: Uint8Array, moved: (bytes: number) => void): Readable => Readable.from(pieces(content, moved));

function* pieces(content: Uint8Array, moved: (bytes: number) => void): Generator<Buffer> {
  for (let offset = 0; offset < content.length; offset += CHUNK) {
    const piece = Buffer.from(content.buffer, content.byteOffset + offset, Math.min(CHUNK, content.length - offset));
    yield piece;
    moved(piece.length);
  }
}

/** The part of an answer with content that is looked at. */
export interface AzureContent {
  readonly contentLength?: number;
  /** `bytes 3-6/10`; there when a range was asked for. */
  readonly contentRange?: string;
  readonly readableStreamBody?: NodeJS.ReadableStream;
}

/**
 * Takes in the content of an answer to a request for `length` bytes, or all, from `start` on. Errors: PROTOCOL_VIOLATION, and whatever the stream
 * throws.
 */
export const receiveBody = async (
  { contentLength = 0, contentRange, readableStreamBody: body }: AzureContent,
  { start, length = LARGEST_ANSWER }: { readonly start: number; readonly length: number | undefined },
  thing: string,
  moved: (bytes: number) => void,
): Promise<Uint8Array> => {
  const stated = contentRange === undefined ? 0 : Number(/^bytes (\d+)-/.exec(contentRange)?.[1]);
  if (body === undefined || stated !== start || contentLength > Math.min(length, LARGEST_ANSWER)) {
    // An error of a stream that nobody listens to would end the process.
    (body as Readable | undefined)?.on('error', () => {}).destroy();
    throw new HoldfastError('PROTOCOL_VIOLATION', {
      thing,
      why: `${length} bytes at most from ${start} on were asked for, the answer holds ${contentLength} bytes from ${stated} on`,
      remedy: 'look at what stands between this machine and the store',
    });
  }
  const content = Buffer.allocUnsafeSlow(contentLength);
  let received = 0;
  // The SDK sees to it that it is as long as it said.
  for await (const piece of body as AsyncIterable<Buffer>) {
    piece.copy(content, received);
    received += piece.length;
    moved(piece.length);
  }
  return content;
};
