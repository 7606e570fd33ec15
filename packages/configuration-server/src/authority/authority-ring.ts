import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { encodeSuccessor, successorText } from '@holdfast/protocol';
import { X509Certificate } from '@peculiar/x509';
import { AUTHORITY_FILE as FILES, readIfPresent, syncDirectory, writePrivately } from './authority-files.ts';
import { ALGORITHM, createRoot, isOfKey, keysOf, newKey } from './authority-key.ts';

/*
 * Files: `authority.key` and `.pem` of who signs; `authority-next.key` and `.pem` of who will, while members learn of it; `authority-old.pem` of who
 * signed before, while certificates of that one are in use; `authority-successor.json`: by whom that one says that it was followed.
 */

/** Where an authority is on its way to another one: nothing is changed; members learn of the next one; the next one signs, and both are trusted. */
export type Phase = 'steady' | 'announced' | 'switched';

export interface Signer {
  readonly keys: webcrypto.CryptoKeyPair;
  readonly root: X509Certificate;
}

/** What is on the disk. */
export interface Ring {
  readonly signer: Signer;
  readonly next: Signer | undefined;
  readonly old: X509Certificate | undefined;
  /** What the one before says of who signs now, for people who trust that one still. */
  readonly successor: string | undefined;
}

export const phaseOf = ({ next, old }: Ring): Phase => (next !== undefined ? 'announced' : old !== undefined ? 'switched' : 'steady');

/** Somebody wants a step that begins in another phase than the one it is in. */
export const notInPhase = (phase: Phase, wanted: string): HoldfastError =>
  new HoldfastError('VERSION_CONFLICT', {
    thing: 'certificate authority',
    why: `it is ${phase}, not ${wanted.slice(0, 20) || 'as nobody said'}`,
    remedy: 'look at it again (holdfast authority show), and name the phase that the step begins in',
  });

const lost = (file: string): HoldfastError =>
  new HoldfastError('DAMAGED', {
    thing: file,
    why: 'it is missing, and the state beside it belongs to members that believe no other authority',
    remedy:
      'put back the directory authority of this state; or move the state away and restore a backup of it, or rebuild it from its vaults: holdfast-configuration-server restore, rebuild',
  });

const textOf = (root: X509Certificate): string => `${root.toString('pem')}\n`;

/** Key and certificate; the key is on the disk before the certificate, so that a crash between them leaves a key to go on with. */
const readSigner = async (keyFile: string, certificateFile: string, mayMake: boolean): Promise<Signer> => {
  const keptKey = await readIfPresent(keyFile);
  const kept = await readIfPresent(certificateFile);
  if (keptKey === undefined && (!mayMake || kept !== undefined)) throw lost(keyFile);
  const key = keptKey ?? newKey();
  if (keptKey === undefined) await writePrivately(keyFile, key);
  const keys = await keysOf(key);
  if (kept !== undefined) {
    const root = new X509Certificate(kept);
    if (!(await isOfKey(root, keys))) throw new Error('its certificate is not of its key');
    return { keys, root };
  }
  const root = await createRoot(keys);
  await writePrivately(certificateFile, textOf(root));
  return { keys, root };
};

/** Opens what is in a directory, and ends a step that a crash cut short. Rejects with DAMAGED. */
export const openRing = async (directory: string, mayMake: boolean): Promise<Ring> => {
  const at = (file: string): string => path.join(directory, file);
  try {
    const [nextKey, nextCertificate] = [await readIfPresent(at(FILES.nextKey)), await readIfPresent(at(FILES.nextCertificate))];
    const key = await readIfPresent(at(FILES.key));
    // The key was put in its place, and its certificate was not.
    if (nextKey === undefined && nextCertificate !== undefined && key !== undefined)
      if (await isOfKey(new X509Certificate(nextCertificate), await keysOf(key)))
        await rename(at(FILES.nextCertificate), at(FILES.certificate));
      else await rm(at(FILES.nextCertificate));
    const signer = await readSigner(at(FILES.key), at(FILES.certificate), mayMake);
    const next = nextKey === undefined ? undefined : await readSigner(at(FILES.nextKey), at(FILES.nextCertificate), true);
    const old = await readIfPresent(at(FILES.oldCertificate));
    // It was written, and nothing was replaced yet.
    const isOld = old !== undefined && next === undefined;
    return { signer, next, old: isOld ? new X509Certificate(old) : undefined, successor: await readIfPresent(at(FILES.successor)) };
  } catch (reason) {
    throw fromSystem(reason, `certificate authority in ${directory}`, 'DAMAGED');
  }
};

/** The last that the one who signed until now signs. */
const succession = async ({ keys }: Signer, { root }: Signer): Promise<string> => {
  const text = successorText(new Uint8Array(root.rawData));
  return encodeSuccessor(textOf(root), new Uint8Array(await webcrypto.subtle.sign(ALGORITHM, keys.privateKey, text)));
};

/**
 * Another authority in one step, of which the one before says nothing: whoever has its key could say as much. Cut short by a crash, it is not begun, or is
 * announced as ever: to be ordered anew.
 */
export const replaceRing = async (directory: string): Promise<Ring> => {
  const at = (file: string): string => path.join(directory, file);
  try {
    for (const file of [FILES.successor, FILES.oldCertificate, FILES.nextCertificate, FILES.nextKey]) await rm(at(file), { force: true });
    const signer = await readSigner(at(FILES.nextKey), at(FILES.nextCertificate), true);
    await rename(at(FILES.nextKey), at(FILES.key));
    await rename(at(FILES.nextCertificate), at(FILES.certificate));
    // What is noted of it elsewhere is true behind this.
    await syncDirectory(directory);
    return { signer, next: undefined, old: undefined, successor: undefined };
  } catch (reason) {
    throw fromSystem(reason, `certificate authority in ${directory}`);
  }
};

/** The next step on the way to another authority. */
export const turnRing = async (directory: string, ring: Ring): Promise<Ring> => {
  const at = (file: string): string => path.join(directory, file);
  try {
    switch (phaseOf(ring)) {
      case 'steady':
        return { ...ring, next: await readSigner(at(FILES.nextKey), at(FILES.nextCertificate), true) };
      case 'announced': {
        const successor = await succession(ring.signer, ring.next!);
        await writePrivately(at(FILES.successor), successor);
        await writePrivately(at(FILES.oldCertificate), textOf(ring.signer.root));
        await rename(at(FILES.nextKey), at(FILES.key));
        await rename(at(FILES.nextCertificate), at(FILES.certificate));
        await syncDirectory(directory);
        return { signer: ring.next!, next: undefined, old: ring.signer.root, successor };
      }
      case 'switched':
        await rm(at(FILES.oldCertificate), { force: true });
        return { ...ring, old: undefined };
    }
  } catch (reason) {
    throw fromSystem(reason, `certificate authority in ${directory}`);
  }
};
