import { constants, type Stats } from 'node:fs';
import { type FileHandle, mkdir, open, rename, stat } from 'node:fs/promises';
import path from 'node:path';
import { fromSystem, HoldfastError, isHoldfastError } from '@holdfast/errors';
import { IDENTITY_ROLES, isId } from '@holdfast/protocol';
import { formatAddress, parseAddress } from '../settings/kinds.ts';
import { giveToOwner } from '../state/give-to-owner.ts';
import { syncDirectory } from '../state/sync-directory.ts';
import { parseHardware } from './hardware-identity.ts';
import { checkTogether, type StoredIdentity } from './stored-identity.ts';

const FORM = 1;
const LARGEST = 256 * 1024;

/** Below the state directory. */
export const IDENTITY_FILE = path.join('identity', 'identity.json');

const ENROL = 'enrol this machine with a new token: holdfast token create prints the command';

const damaged = (file: string, why: string, cause?: unknown): HoldfastError =>
  new HoldfastError('DAMAGED', { thing: file, why, remedy: `restore the file, or ${ENROL}`, ...(cause === undefined ? {} : { cause }) });

const textOf = (value: unknown, name: string): string => {
  if (typeof value !== 'string' || value === '') throw new Error(`${name} is missing`);
  return value;
};

const parse = (text: string): StoredIdentity => {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null) throw new Error('it is not an object');
  const { form, role, id, incarnation, server, hardware, obtained, key, certificateChain, authorities } = value as Record<string, unknown>;
  if (form !== FORM) throw new Error(`it has form ${String(form).slice(0, 20)}, this version reads form ${FORM}`);
  const known = IDENTITY_ROLES.find((candidate) => candidate === role);
  if (known === undefined || known === 'configuration-server') throw new Error('its role is not known');
  if (typeof id !== 'string' || !isId(id)) throw new Error('its id is not 32 hexadecimal digits');
  if (!Number.isSafeInteger(incarnation) || (incarnation as number) < 0) throw new Error('its incarnation is no number');
  if (!Number.isSafeInteger(obtained)) throw new Error('when its certificate came is no number');
  const identity: StoredIdentity = {
    role: known,
    id,
    incarnation: incarnation as number,
    server: parseAddress(textOf(server, 'server')),
    hardware: parseHardware(hardware),
    obtained: obtained as number,
    key: textOf(key, 'key'),
    certificateChain: textOf(certificateChain, 'certificateChain'),
    authorities: textOf(authorities, 'authorities'),
  };
  checkTogether(identity);
  return identity;
};

/**
 * Reads the identity below a state directory. Rejects with NOT_ENROLLED when there is none, and with DAMAGED, naming the file, when it is not
 * whole. `warn` is told when others than its owner can read the key.
 */
export const readIdentity = async (directory: string, warn: (words: string) => void = () => undefined): Promise<StoredIdentity> => {
  const file = path.join(directory, IDENTITY_FILE);
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW);
    const { mode } = await handle.stat();
    if ((mode & 0o077) !== 0) warn(`${file} holds a private key and is open to other users of this machine`);
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(LARGEST + 1), 0, LARGEST + 1, 0);
    if (bytesRead > LARGEST) throw damaged(file, `it is larger than ${LARGEST} bytes`);
    return parse(buffer.toString('utf8', 0, bytesRead));
  } catch (reason) {
    if (isHoldfastError(reason, 'DAMAGED')) throw reason;
    const { code, message } = reason as NodeJS.ErrnoException;
    if (code === 'ENOENT')
      throw new HoldfastError('NOT_ENROLLED', { thing: directory, why: 'it holds no identity', remedy: ENROL, cause: reason });
    if (code !== undefined && handle === undefined) throw fromSystem(reason, file);
    throw damaged(file, message, reason);
  } finally {
    await handle?.close();
  }
};

/** The text of the file. */
const textFor = (identity: StoredIdentity): string =>
  `${JSON.stringify({ form: FORM, ...identity, server: formatAddress(identity.server) }, null, 2)}\n`;

/** What `storeIdentity` does to the disk, one step each, so that a spec can fail any of them. */
export interface IdentityDisk {
  mkdir: typeof mkdir;
  open: typeof open;
  rename: typeof rename;
  syncDirectory: typeof syncDirectory;
}

/** The directory of the file. A link in its place is refused: root writes here on behalf of a service that could have made it. */
const makePlace = async (place: string, owner: Stats, disk: IdentityDisk): Promise<void> => {
  await disk.mkdir(place, { recursive: true, mode: 0o700 });
  const handle = await disk.open(place, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    await giveToOwner(handle, owner);
  } finally {
    await handle.close();
  }
};

/**
 * Writes the identity below a state directory in the place of the one that was there: whatever happens meanwhile, a whole one stands there
 * afterwards, old or new. It belongs to the owner of the state directory, who alone may read it.
 */
export const storeIdentity = async (
  directory: string,
  identity: StoredIdentity,
  disk: IdentityDisk = { mkdir, open, rename, syncDirectory },
): Promise<void> => {
  const file = path.join(directory, IDENTITY_FILE);
  const fresh = `${file}.new`;
  try {
    const owner = await stat(directory);
    await makePlace(path.dirname(file), owner, disk);
    const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
    const handle = await disk.open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
    try {
      await handle.chmod(0o600);
      await handle.writeFile(textFor(identity));
      await giveToOwner(handle, owner);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await disk.rename(fresh, file);
    await disk.syncDirectory(path.dirname(file));
    await disk.syncDirectory(directory);
  } catch (reason) {
    throw fromSystem(reason, file);
  }
};
