import type { ConnectRouter } from '@connectrpc/connect';
import {
  EventService,
  JobService,
  MachineService,
  PolicyService,
  ProtectionService,
  ServerService,
  TokenService,
} from '@holdfast/protocol';
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
    router.service(ServerService, createServerService(parts));
    router.service(TokenService, createTokenService(parts));
    router.service(JobService, createJobService(parts));
    router.service(EventService, createEventService(parts));
  };
