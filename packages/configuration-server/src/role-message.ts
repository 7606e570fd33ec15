import type { MemberRole } from '@holdfast/daemon';
import { Role } from '@holdfast/protocol';

const ROLES: Readonly<Record<MemberRole, Role>> = {
  agent: Role.AGENT,
  'process-server': Role.PROCESS_SERVER,
  'master-target': Role.MASTER_TARGET,
};

/** A role as messages carry it. */
export const roleMessage = (role: MemberRole): Role => ROLES[role];
