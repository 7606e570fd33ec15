import { HoldfastError } from '@holdfast/errors';
import { Role } from '../gen/holdfast/v1/enrolment_pb.ts';
import { isId } from '../id.ts';

/** What a certificate may speak as. Only the configuration server's own certificate is not given out by enrolment. */
export const IDENTITY_ROLES = ['agent', 'process-server', 'master-target', 'configuration-server'] as const;

export type IdentityRole = (typeof IDENTITY_ROLES)[number];

/**
 * Who a machine or server is. In its certificate: subject CN = id (32 hexadecimal digits), OU = role, and the one URI among the subject
 * alternative names is `holdfast:<role>/<id>`.
 */
export interface Identity {
  readonly role: IdentityRole;
  readonly id: string;
}

/** The subject alternative name of an identity: "holdfast:agent/0f…". */
export const identityUri = ({ role, id }: Identity): string => `holdfast:${role}/${id}`;

/** The subject of an identity as X.509 libraries take it: "CN=0f…,OU=agent". */
export const identitySubject = ({ role, id }: Identity): string => `CN=${id},OU=${role}`;

/** Reads `holdfast:<role>/<id>`; undefined when it is anything else. */
export const parseIdentityUri = (uri: string): Identity | undefined => {
  const [, name = '', id = ''] = /^holdfast:([a-z-]{1,32})\/([0-9a-f]{32})$/.exec(uri) ?? [];
  const role = IDENTITY_ROLES.find((known) => known === name);
  return role === undefined || !isId(id) ? undefined : { role, id };
};

export const sameIdentity = (a: Identity, b: Identity): boolean => a.role === b.role && a.id === b.id;

const MESSAGE_ROLES: ReadonlyMap<Role, IdentityRole> = new Map([
  [Role.AGENT, 'agent'],
  [Role.PROCESS_SERVER, 'process-server'],
  [Role.MASTER_TARGET, 'master-target'],
]);

/** The role an enrolment asks for. Throws PROTOCOL_VIOLATION for one that is not given out. */
export const roleOfMessage = (role: Role): IdentityRole => {
  const known = MESSAGE_ROLES.get(role);
  if (known !== undefined) return known;
  throw new HoldfastError('PROTOCOL_VIOLATION', {
    thing: `role ${String(role)}`,
    why: 'no certificate is given out for it',
    remedy: 'enrol as agent, process server or master target, with a version that fits this server',
  });
};
