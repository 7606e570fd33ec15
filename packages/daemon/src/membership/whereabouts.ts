import { type KeyObject, verify } from 'node:crypto';
import { HoldfastError } from '@holdfast/errors';
import { publicKeyFingerprint } from '@holdfast/protocol';
import { readCertificates } from './pem.ts';

/*
 * Where a configuration server is reached, as it goes through hands that are not trusted: vaults and process servers (docs/format.md, "Control").
 * JSON: {"form": 1, "addresses": ["HOST:PORT", …], "made": MILLISECONDS, "signature": BASE64}. The signature, ECDSA with SHA-256 as two numbers of
 * 32 bytes, is the certificate authority's, over `whereaboutsText`.
 */

export interface Whereabouts {
  /** "host:port", in the order to try. */
  readonly addresses: readonly string[];
  /** Milliseconds since 1970: of several the newest counts. */
  readonly made: number;
}

const FORM = 1;
/** Addresses, and characters of one. */
const MOST = 8;
const LONGEST = 300;
const LARGEST_WHEREABOUTS = 4096;

/** What is signed. It begins like no certificate, which the same key signs too. */
export const whereaboutsText = ({ addresses, made }: Whereabouts): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(Buffer.from(`holdfast whereabouts ${FORM}\n${made}\n${addresses.join('\n')}\n`));

/** How many of these addresses, at most so many and so long, can be told. */
export const tellable = (addresses: readonly string[]): readonly string[] =>
  addresses.filter((address) => address.length <= LONGEST).slice(0, MOST);

export const encodeWhereabouts = ({ addresses, made }: Whereabouts, signature: Uint8Array): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(Buffer.from(JSON.stringify({ form: FORM, addresses, made, signature: Buffer.from(signature).toString('base64') })));

const THING = 'address of a configuration server, as it was told';

const damaged = (why: string): HoldfastError =>
  new HoldfastError('DAMAGED', { thing: THING, why, remedy: 'point the address out: use-server of this program' });

const isAddress = (value: unknown): value is string => typeof value === 'string' && value.length <= LONGEST && /^[\x21-\x7e]+$/.test(value);

/** What it says, whoever signed it: for people only. Throws DAMAGED. */
export const parseWhereabouts = (content: Uint8Array): Whereabouts & { readonly signature: Uint8Array } => {
  if (content.length > LARGEST_WHEREABOUTS) throw damaged('it is too large');
  let value: Record<string, unknown>;
  try {
    value = Object(JSON.parse(Buffer.from(content).toString())) as Record<string, unknown>;
  } catch {
    throw damaged('it is no JSON');
  }
  const { form, addresses, made, signature } = value;
  if (form !== FORM) throw damaged(`it has form ${String(form).slice(0, 20)}, and this version reads form ${FORM}`);
  if (!Array.isArray(addresses) || addresses.length > MOST || !addresses.every(isAddress)) throw damaged('its addresses are none');
  if (!Number.isSafeInteger(made) || typeof signature !== 'string') throw damaged('it does not say when it was made, or has no signature');
  return { addresses, made: made as number, signature: Buffer.from(signature, 'base64') };
};

/** What one of these authorities (PEM) signed, and the fingerprint of which. Throws DAMAGED, and CERTIFICATE_UNTRUSTED for what somebody else signed. */
export const readWhereabouts = (content: Uint8Array, authorities: string): Whereabouts & { readonly authority: string } => {
  const { signature, ...told } = parseWhereabouts(content);
  const text = whereaboutsText(told);
  const isBy = (key: KeyObject): boolean => verify('sha256', text, { key, dsaEncoding: 'ieee-p1363' }, signature);
  const signer = readCertificates(authorities).find(({ publicKey }) => isBy(publicKey));
  if (signer === undefined)
    throw new HoldfastError('CERTIFICATE_UNTRUSTED', {
      thing: THING,
      why: 'it was not signed by the authority of this installation',
      remedy:
        'where the configuration server was rebuilt with another authority, join this machine anew: holdfast token create prints the command',
    });
  return { ...told, authority: publicKeyFingerprint(signer.raw) };
};
