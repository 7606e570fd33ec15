import { PersonRole as RoleMessage } from '@holdfast/protocol';
import type { PersonRole } from '../records/kinds.ts';
import { requestInvalid } from '../request-invalid.ts';

const MESSAGES: Readonly<Record<PersonRole, RoleMessage>> = {
  reader: RoleMessage.READER,
  operator: RoleMessage.OPERATOR,
  administrator: RoleMessage.ADMINISTRATOR,
};

export const personRoleMessage = (role: PersonRole): RoleMessage => MESSAGES[role];

/** Throws REQUEST_INVALID for none. */
export const personRoleOf = (message: RoleMessage): PersonRole => {
  const found = Object.entries(MESSAGES).find(([, one]) => one === message);
  if (found === undefined) throw requestInvalid('role', 'it is none', 'give reader, operator or administrator');
  return found[0] as PersonRole;
};
