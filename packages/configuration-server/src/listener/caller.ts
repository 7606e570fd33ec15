import { type ContextValues, createContextKey } from '@connectrpc/connect';
import { HoldfastError } from '@holdfast/errors';
import type { Peer } from '@holdfast/protocol';
import type { PersonRole } from '../records/kinds.ts';

/** A person or tool that showed a token. */
export interface Person {
  readonly name: string;
  readonly role: PersonRole;
  /** Id of the token. */
  readonly access: string;
  /** Absent for a tool. */
  readonly userId?: string;
  /** Milliseconds since 1970 when the token ends; absent where it does not. */
  readonly expires?: number;
}

/** Who makes a call. */
export type Caller =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'member'; readonly peer: Peer }
  | { readonly kind: 'person'; readonly person: Person };

/** Set for each call before anything of it is read. */
export const CALLER = createContextKey<Caller>({ kind: 'anonymous' }, { description: 'caller' });
/** The address the call came from. */
export const ADDRESS = createContextKey('', { description: 'address' });

const defect = (): HoldfastError =>
  new HoldfastError('INTERNAL', { thing: 'call', why: 'its caller was not checked for this handler', remedy: 'report this' });

/** The machine or server that calls; only for handlers that admit nobody else. */
export const memberOf = (values: ContextValues): Peer => {
  const caller = values.get(CALLER);
  if (caller.kind !== 'member') throw defect();
  return caller.peer;
};

/** The person or tool that calls; only for handlers that admit nobody else. */
export const personOf = (values: ContextValues): Person => {
  const caller = values.get(CALLER);
  if (caller.kind !== 'person') throw defect();
  return caller.person;
};

export const addressOf = (values: ContextValues): string => values.get(ADDRESS);
