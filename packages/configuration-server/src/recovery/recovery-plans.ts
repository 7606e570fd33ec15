import type { JobPlan } from '../jobs/job-plan.ts';
import { createCancelPlan, createChangePointPlan, createCommitPlan, createFailoverPlan } from './failover-plans.ts';
import type { RecoveryJobKind } from './order-recovery.ts';
import { createForgetPlan, createStartPlan } from './owner-plans.ts';
import type { SourcePatience } from './source-steps.ts';
import type { RecoveryParts } from './steps.ts';
import { createCleanUpPlan, createTestPlan } from './test-plans.ts';

/** The jobs of recovery. */
export const createRecoveryPlans = (parts: RecoveryParts, patience?: SourcePatience): Readonly<Record<RecoveryJobKind, JobPlan>> => {
  const cleanUp = createCleanUpPlan(parts);
  const cancel = createCancelPlan(parts);
  return {
    'test-failover': createTestPlan(parts, cleanUp),
    'clean-up-test': cleanUp,
    failover: createFailoverPlan(parts, cancel, patience),
    'change-point': createChangePointPlan(parts),
    'cancel-failover': cancel,
    commit: createCommitPlan(parts),
    'start-machine': createStartPlan(parts),
    'forget-recovery': createForgetPlan(parts),
  };
};
