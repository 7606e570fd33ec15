import type { DescMethod } from '@bufbuild/protobuf';
import { HoldfastError } from '@holdfast/errors';
import {
  AccessTokenService,
  AlertService,
  AuditService,
  AuthorityService,
  BackupService,
  ControlService,
  EnrolmentService,
  EventService,
  type IdentityRole,
  JobService,
  MachineService,
  PlanService,
  PolicyService,
  ProtectionService,
  RecoveryService,
  ServerService,
  SessionService,
  TokenService,
  UserService,
  VaultService,
} from '@holdfast/protocol';
import type { PersonRole } from '../records/kinds.ts';
import type { Caller } from './caller.ts';

/** Who may make a call. */
type Access = 'anybody' | readonly IdentityRole[] | PersonRole;

/** Each may do what those before may. */
const LADDER: readonly PersonRole[] = ['reader', 'operator', 'administrator'];

const MEMBERS: readonly IdentityRole[] = ['agent', 'process-server', 'master-target'];

const ACCESS: ReadonlyMap<DescMethod, Access> = new Map<DescMethod, Access>([
  [EnrolmentService.method.enrol, 'anybody'],
  [EnrolmentService.method.renew, MEMBERS],
  [ControlService.method.connectAgent, ['agent']],
  [ControlService.method.connectServer, ['process-server', 'master-target']],
  [ControlService.method.fetchBackup, ['process-server']],
  [MachineService.method.listMachines, 'reader'],
  [MachineService.method.getMachine, 'reader'],
  [MachineService.method.renameMachine, 'operator'],
  [MachineService.method.removeMachine, 'administrator'],
  [MachineService.method.checkMachine, 'operator'],
  [ProtectionService.method.protect, 'operator'],
  [ProtectionService.method.unprotect, 'operator'],
  [ProtectionService.method.makePoint, 'operator'],
  [ProtectionService.method.updateProtection, 'operator'],
  [ProtectionService.method.move, 'operator'],
  [ProtectionService.method.listProtections, 'reader'],
  [ProtectionService.method.operate, 'operator'],
  [RecoveryService.method.listPoints, 'reader'],
  [RecoveryService.method.resolvePoint, 'reader'],
  [RecoveryService.method.testFailover, 'operator'],
  [RecoveryService.method.provePoint, 'operator'],
  [RecoveryService.method.cleanUpTest, 'operator'],
  [RecoveryService.method.failover, 'operator'],
  [RecoveryService.method.changePoint, 'operator'],
  [RecoveryService.method.cancelFailover, 'operator'],
  [RecoveryService.method.commitFailover, 'operator'],
  [RecoveryService.method.startMachine, 'operator'],
  [RecoveryService.method.forgetRecovery, 'operator'],
  [RecoveryService.method.listRecoveries, 'reader'],
  [RecoveryService.method.getRecovery, 'reader'],
  [RecoveryService.method.listOperations, 'reader'],
  [PlanService.method.listPlans, 'reader'],
  [PlanService.method.getPlan, 'reader'],
  [PlanService.method.createPlan, 'operator'],
  [PlanService.method.updatePlan, 'operator'],
  [PlanService.method.deletePlan, 'operator'],
  [PlanService.method.checkPlan, 'reader'],
  [PlanService.method.runPlan, 'operator'],
  [PlanService.method.cleanUpRun, 'operator'],
  [PlanService.method.listRuns, 'reader'],
  [PolicyService.method.listPolicies, 'reader'],
  [PolicyService.method.createPolicy, 'operator'],
  [PolicyService.method.updatePolicy, 'operator'],
  [PolicyService.method.deletePolicy, 'operator'],
  [ServerService.method.listServers, 'reader'],
  [ServerService.method.revokeServer, 'administrator'],
  [ServerService.method.drainServer, 'operator'],
  [ServerService.method.removeServer, 'administrator'],
  [VaultService.method.listVaults, 'reader'],
  [VaultService.method.getVault, 'reader'],
  [VaultService.method.renameVault, 'operator'],
  [VaultService.method.decommissionVault, 'administrator'],
  [VaultService.method.readmitVault, 'administrator'],
  [TokenService.method.createToken, 'administrator'],
  [TokenService.method.listTokens, 'administrator'],
  [TokenService.method.revokeToken, 'administrator'],
  [JobService.method.listJobs, 'reader'],
  [JobService.method.getJob, 'reader'],
  [JobService.method.watchJob, 'reader'],
  [JobService.method.cancelJob, 'operator'],
  [JobService.method.retryJob, 'operator'],
  [JobService.method.answerJob, 'operator'],
  [EventService.method.listEvents, 'reader'],
  [EventService.method.watchEvents, 'reader'],
  [AlertService.method.listAlerts, 'reader'],
  [AlertService.method.acknowledgeAlert, 'operator'],
  [AlertService.method.silenceAlert, 'operator'],
  [SessionService.method.signIn, 'anybody'],
  [SessionService.method.signOut, 'reader'],
  [SessionService.method.getSession, 'reader'],
  [SessionService.method.changePassword, 'reader'],
  [UserService.method.listUsers, 'administrator'],
  [UserService.method.createUser, 'administrator'],
  [UserService.method.updateUser, 'administrator'],
  [UserService.method.deleteUser, 'administrator'],
  [AccessTokenService.method.listAccessTokens, 'administrator'],
  [AccessTokenService.method.createAccessToken, 'administrator'],
  [AccessTokenService.method.revokeAccessToken, 'administrator'],
  [BackupService.method.createBackup, 'administrator'],
  [BackupService.method.getReconciliation, 'reader'],
  [BackupService.method.confirmRestore, 'administrator'],
  [AuthorityService.method.getAuthority, 'reader'],
  [AuthorityService.method.rotateAuthority, 'administrator'],
  [AuditService.method.listAudit, 'administrator'],
]);

/** Who may call `method`; undefined for a method nobody thought of, which nobody may call. */
export const accessTo = (method: DescMethod): Access | undefined => ACCESS.get(method);

const refused = (thing: string, why: string, remedy: string): HoldfastError => new HoldfastError('NO_PERMISSION', { thing, why, remedy });

/** Throws NO_PERMISSION or SIGN_IN_NEEDED unless `caller` may call `method`. */
export const requireAccess = (method: DescMethod, caller: Caller): void => {
  const access = accessTo(method);
  const thing = `call ${method.parent.name}.${method.name}`;
  if (access === 'anybody') return;
  if (access === undefined) throw refused(thing, 'nobody may make it', 'report this');
  if (typeof access !== 'string') {
    if (caller.kind === 'member' && access.includes(caller.peer.identity.role)) return;
    const shown = caller.kind === 'member' ? `the certificate is of a ${caller.peer.identity.role}` : 'no certificate was shown';
    throw refused(thing, `${shown}, and it is for ${access.join(', ')}`, 'call with the certificate of such a one');
  }
  if (caller.kind !== 'person')
    throw new HoldfastError('SIGN_IN_NEEDED', {
      thing,
      why: 'it is for people and tools, and no token of one was sent',
      remedy: 'sign in with `holdfast login`, or send `authorization: Bearer TOKEN`',
    });
  if (LADDER.indexOf(caller.person.role) < LADDER.indexOf(access))
    throw refused(thing, `${caller.person.name} is ${caller.person.role}, and it takes ${access}`, 'ask somebody who has that role');
};
