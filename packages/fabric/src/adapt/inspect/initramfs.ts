import { promisify } from 'node:util';
import { gunzip, zstdDecompress } from 'node:zlib';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { runTool } from '../mount/run-tool.ts';

/** Names in an initramfs, without a slash in front. */
export interface Initramfs {
  readonly names: readonly string[];
  /** Who made it, by what is in it: one that understands `root=UUID=…` and loads drivers by what it finds; or somebody's own. */
  readonly maker: 'initramfs-tools' | 'dracut' | 'mkinitcpio' | 'other';
}

/** A hostile archive shall not fill the memory. */
const LARGEST = 768 * 1024 * 1024;
const MOST_NAMES = 200_000;
/** Archives within archives: there are some that hold themselves. */
const MOST_LAYERS = 8;

/**
 * Reads what is in an initramfs: archives one behind the other, each perhaps compressed (https://docs.kernel.org/driver-api/early-userspace/buffer-format.html).
 * Errors: DAMAGED where it is none, TOOL_MISSING where only a program that is not here can decompress it.
 */
export const readInitramfs = async (image: Buffer): Promise<Initramfs> => {
  const names: string[] = [];
  let rest: Buffer = image;
  let layers = 0;
  while (rest.length > 0) {
    if (rest[0] === 0) {
      // Archives are padded.
      rest = withoutPadding(rest);
    } else if (isArchive(rest)) rest = rest.subarray(readArchive(rest, names));
    else {
      layers += 1;
      if (layers > MOST_LAYERS) throw damaged('it is compressed too many times');
      rest = await decompress(rest);
    }
  }
  return { names, maker: makerOf(names) };
};

/** Names of modules in it, as `lsmod` says them. */
export const moduleNames = (paths: readonly string[]): Set<string> =>
  new Set(
    paths.flatMap((name) => {
      const found = /([^/]+)\.ko(\.(xz|zst|gz))?$/.exec(name)?.[1];
      return found === undefined ? [] : [found.replaceAll('-', '_')];
    }),
  );

const makerOf = (names: readonly string[]): Initramfs['maker'] => {
  const has = (pattern: RegExp): boolean => names.some((name) => pattern.test(name));
  if (has(/^(conf\/initramfs\.conf|scripts\/functions)$/)) return 'initramfs-tools';
  if (has(/(^|\/)(usr\/)?lib\/dracut\//)) return 'dracut';
  if (has(/^(buildconfig|init_functions)$/)) return 'mkinitcpio';
  return 'other';
};

const ZEROES = Buffer.alloc(64 * 1024);

/** By whole pieces first: there may be hundreds of MiB of it. */
const withoutPadding = (bytes: Buffer): Buffer => {
  let at = 0;
  while (at + ZEROES.length <= bytes.length && bytes.compare(ZEROES, 0, ZEROES.length, at, at + ZEROES.length) === 0) at += ZEROES.length;
  while (at < bytes.length && bytes[at] === 0) at += 1;
  return bytes.subarray(at);
};

const isArchive = (bytes: Buffer): boolean => /^07070[12]/.test(bytes.toString('latin1', 0, 6));

const damaged = (why: string): HoldfastError =>
  new HoldfastError('DAMAGED', { thing: 'initramfs', why, remedy: 'make it anew on the source' });

/** Adds the names of one newc archive; gives its length. */
const readArchive = (bytes: Buffer, names: string[]): number => {
  for (let at = 0; ; ) {
    if (!isArchive(bytes.subarray(at))) throw damaged('an archive in it breaks off');
    const field = (index: number): number => Number.parseInt(bytes.toString('latin1', at + 6 + index * 8, at + 14 + index * 8), 16);
    const size = field(6);
    const nameLength = field(11);
    const name = bytes.toString('utf8', at + 110, at + 110 + nameLength - 1).replace(/^\.?\//, '');
    const data = align(at + 110 + nameLength);
    if (!(nameLength > 0) || !(size >= 0) || data + size > bytes.length) throw damaged('an entry of it is longer than all of it');
    at = align(data + size);
    if (name === 'TRAILER!!!') return Math.min(at, bytes.length);
    names.push(name);
    if (names.length > MOST_NAMES) throw damaged('it has more files than any');
  }
};

const align = (at: number): number => (at + 3) & ~3;

/** Programs for what this runtime does not know itself, by the first bytes. */
const PROGRAMS: readonly { readonly magic: readonly number[]; readonly command: readonly string[] }[] = [
  { magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a], command: ['xz', '-dc', '--memlimit=512MiB'] },
  { magic: [0x5d, 0, 0], command: ['xz', '--format=lzma', '-dc', '--memlimit=512MiB'] },
  { magic: [0x02, 0x21, 0x4c, 0x18], command: ['lz4', '-dc'] },
  { magic: [0x42, 0x5a, 0x68], command: ['bzip2', '-dc'] },
];

/** In threads of their own: whoever starts a machine looks after others meanwhile. */
const gunzipAside = promisify(gunzip);
const zstdAside = promisify(zstdDecompress);

const decompress = async (bytes: Buffer): Promise<Buffer> => {
  try {
    if (bytes[0] === 0x1f && bytes[1] === 0x8b) return await gunzipAside(bytes, { maxOutputLength: LARGEST });
    if (bytes.readUInt32LE(0) === 0xfd2f_b528) return await zstdAside(bytes, { maxOutputLength: LARGEST });
    const program = PROGRAMS.find(({ magic }) => magic.every((byte, at) => bytes[at] === byte));
    if (program !== undefined) return await runTool(program.command[0]!, program.command.slice(1), { input: bytes, largest: LARGEST });
  } catch (reason) {
    if (isHoldfastError(reason, 'TOOL_MISSING')) throw reason;
    throw damaged(reason instanceof Error ? reason.message : String(reason));
  }
  throw damaged('it is no archive that is known');
};
