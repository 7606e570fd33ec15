import { encodeWhereabouts, tellable, whereaboutsText } from '@holdfast/daemon';
import type { Authority } from './authority.ts';

export type Signer = Pick<Authority, 'sign' | 'fingerprint'>;

/** Where this server is, signed by its authority, for hands that are not trusted. */
export const makeWhereabouts = async (signer: Signer, told: readonly string[], made: number): Promise<Uint8Array<ArrayBuffer>> => {
  const value = { addresses: tellable(told), made };
  return encodeWhereabouts(value, await signer.sign(whereaboutsText(value)));
};

/** The same bytes as long as addresses and authority are the same. */
export const createWhereabouts = (signer: Signer, addresses: () => readonly string[]): (() => Promise<Uint8Array<ArrayBuffer>>) => {
  let known: { readonly of: string; readonly content: Promise<Uint8Array<ArrayBuffer>> } | undefined;
  return () => {
    const of = [signer.fingerprint, ...addresses()].join('\n');
    if (known?.of !== of) known = { of, content: makeWhereabouts(signer, addresses(), Date.now()) };
    return known.content;
  };
};
