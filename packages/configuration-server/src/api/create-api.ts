import type { ConnectRouter } from '@connectrpc/connect';
import {
  AccessTokenService,
  AlertService,
  AuditService,
  AuthorityService,
  BackupService,
  EventService,
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
import { createAlertService } from '../alerts/alert-service.ts';
import { createAuthorityService } from '../authority/authority-service.ts';
import { createBackupService } from '../backup/backup-service.ts';
import { createAccessTokenService } from '../people/access-token-service.ts';
import { createAuditService } from '../people/audit-service.ts';
import { createSessionService } from '../people/session-service.ts';
import { createUserService } from '../people/user-service.ts';
import { createPlanService } from '../plans/plan-service.ts';
import { createRecoveryService } from '../recovery/recovery-service.ts';
import { createVaultService } from '../vaults/vault-service.ts';
import type { ApiParts } from './api-parts.ts';
import { createEventService } from './event-service.ts';
import { createJobService } from './job-service.ts';
import { createMachineService } from './machine-service.ts';
import { createPolicyService } from './policy-service.ts';
import { createProtectionService } from './protection-service.ts';
import { createServerService } from './server-service.ts';
import { createTokenService } from './token-service.ts';

/** All services for people and tools. */
export const createApi =
  (parts: ApiParts) =>
  (router: ConnectRouter): void => {
    router.service(MachineService, createMachineService(parts));
    router.service(ProtectionService, createProtectionService(parts));
    router.service(PolicyService, createPolicyService(parts));
    router.service(PlanService, createPlanService(parts));
    router.service(RecoveryService, createRecoveryService(parts));
    router.service(ServerService, createServerService(parts));
    router.service(VaultService, createVaultService(parts));
    router.service(TokenService, createTokenService(parts));
    router.service(JobService, createJobService(parts));
    router.service(EventService, createEventService(parts));
    router.service(AlertService, createAlertService(parts));
    router.service(SessionService, createSessionService(parts));
    router.service(UserService, createUserService(parts));
    router.service(AccessTokenService, createAccessTokenService(parts));
    router.service(AuthorityService, createAuthorityService(parts));
    router.service(AuditService, createAuditService(parts));
    router.service(BackupService, createBackupService(parts));
  };
