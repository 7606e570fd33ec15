import type { AlertEngine } from '../alerts/alert-engine.ts';
import type { Authority } from '../authority/authority.ts';
import type { Rotation } from '../authority/rotation.ts';
import type { BackupParts } from '../backup/backup-service.ts';
import type { Checking } from '../checks/keep-checking.ts';
import type { AgentPresence, ServerPresence } from '../control/presence.ts';
import type { Attempts } from '../enrolment/attempts.ts';
import type { JobEngine } from '../jobs/job-engine.ts';
import type { JobPlan } from '../jobs/job-plan.ts';
import type { JobKind } from '../jobs/job-record.ts';
import type { InstallFiles } from '../listener/install-files.ts';
import type { Passwords } from '../people/password.ts';
import type { PlanParts } from '../plans/plan-run.ts';
import type { Questions } from '../recovery/questions.ts';
import type { Notifier } from '../state/notifier.ts';

/** What the services of the API work with. */
export interface ApiParts extends BackupParts {
  readonly notifier: Notifier;
  readonly agents: AgentPresence;
  readonly servers: ServerPresence;
  readonly alerting: AlertEngine;
  readonly checking: Checking;
  readonly engine: JobEngine;
  readonly questions: Questions;
  readonly planParts: PlanParts;
  readonly plans: Readonly<Record<JobKind, JobPlan>>;
  readonly authority: Authority;
  readonly rotation: Rotation;
  readonly install: InstallFiles;
  /** Where machines reach this server: "host:port". */
  readonly announced: () => string;
  /** Milliseconds a join token is good unless told. */
  readonly tokenLifetime: number;
  readonly passwords: Passwords;
  readonly attempts: Attempts;
  /** Milliseconds until a person has to sign in again. */
  readonly sessionLifetime: number;
}
