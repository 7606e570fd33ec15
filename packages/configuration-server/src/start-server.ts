import path from 'node:path';
import { type ProgramContext, VERSION } from '@holdfast/daemon';
import { ControlService, EnrolmentService } from '@holdfast/protocol';
import { createAlertEngine } from './alerts/alert-engine.ts';
import { createApi } from './api/create-api.ts';
import { openAuthority } from './authority/authority.ts';
import { createRotation } from './authority/rotation.ts';
import { createWhereabouts } from './authority/whereabouts.ts';
import { openBackups } from './backup/open-backups.ts';
import { createVaultBackups } from './backup/vault-backups.ts';
import { keepBalance } from './balance/keep-balance.ts';
import { createChecking } from './checks/keep-checking.ts';
import { createControlService } from './control/control-service.ts';
import { createOpenStreams } from './control/open-streams.ts';
import { type AgentPresence, createPresence, type ServerPresence } from './control/presence.ts';
import { createAttempts } from './enrolment/attempts.ts';
import { createEnrolmentService } from './enrolment/enrolment-service.ts';
import { ensureInstallation } from './first-start.ts';
import { keepHouse } from './housekeeping.ts';
import { createJobEngine } from './jobs/job-engine.ts';
import { createMovePlan } from './jobs/move-plan.ts';
import { createPointPlan } from './jobs/point-plan.ts';
import { createProtectPlan } from './jobs/protect-plan.ts';
import { createUnprotectPlan } from './jobs/unprotect-plan.ts';
import { addressesAt, announcedAt, namesOf } from './listener/addresses.ts';
import { createHealthPage } from './listener/health-page.ts';
import { createInstallFiles } from './listener/install-files.ts';
import { listen } from './listener/listener.ts';
import { openRevocations } from './listener/revocations.ts';
import { createRpcHandler } from './listener/rpc-handler.ts';
import { createSuccessorPage } from './listener/successor-page.ts';
import { runLocalProcessServer } from './local-process-server.ts';
import { createServerMetrics } from './metrics.ts';
import { migrate } from './migrations/migrate.ts';
import { startNotification } from './notify/start-notification.ts';
import { createOwnCertificate } from './own-certificate.ts';
import { createPasswords } from './people/password.ts';
import { createPlanJob } from './plans/plan-job.ts';
import { keepProving } from './proofs/keep-proving.ts';
import { createProofPlan } from './proofs/proof-plan.ts';
import { createReconciliation } from './reconcile/reconciliation.ts';
import { restoredOf, whenReconciled } from './reconcile/restored.ts';
import { find } from './records/kind.ts';
import { SITE, sites } from './records/kinds.ts';
import { createQuestions } from './recovery/questions.ts';
import { createRecoveryPlans } from './recovery/recovery-plans.ts';
import type { Settings } from './settings.ts';
import { openLevelStore } from './state/level-store.ts';
import { createNotifier } from './state/notifier.ts';
import { observedStore } from './state/observed-store.ts';
import { tellStop } from './tell-stop.ts';
import { bindVaults } from './vaults/bind-vaults.ts';
import { endForcedProtections } from './vaults/decommission.ts';
import { vaultName } from './vaults/vault-record.ts';
import { endOf, watchHealth } from './watch-health.ts';

/** What a started server tells those who started it in one process. */
export interface StartedServer {
  readonly port: number;
  readonly fingerprint: string;
}

/** Starts everything; ends with the context. */
export const startServer = async (context: ProgramContext<Settings>): Promise<StartedServer> => {
  const { settings, log, onStop, run, stopping, stateDirectory, health } = context;
  const seconds = context.metrics.histogram({
    name: 'state_commit_seconds',
    help: 'Time of commits until they are on the disk',
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2],
  });
  const storeHealth: { problem: Error | undefined } = { problem: undefined };
  const level = await openLevelStore(path.join(stateDirectory, 'state'), settings.history);
  onStop('state store', level.close);
  const store = observedStore(level, {
    committed(took) {
      storeHealth.problem = undefined;
      seconds.observe(took);
    },
    failed(error) {
      storeHealth.problem = error;
      log.error('A change could not be written', { error });
    },
  });
  // Members believe nobody but the authority they joined under: where there are records, a new one is no help.
  const isNew = (await find(store, sites, SITE)) === undefined;
  const authority = await openAuthority(path.join(stateDirectory, 'authority'), { mayMake: isNew });
  watchHealth(health, storeHealth, authority);
  const id = await ensureInstallation(store, stateDirectory, log);
  await migrate(store, log);
  const bound = await bindVaults(store);
  if (bound > 0) log.info('What referred to vaults by their names refers to what they are', { records: bound });
  const ended = await endForcedProtections(store);
  if (ended.length > 0) log.warn('Protections ended with their vaults, which were given up by force', { machines: ended });

  onStop('farewell', () => tellStop(store));
  const notifier = createNotifier(store);
  run('changes', notifier.run);
  const revocations = await openRevocations(store, notifier);
  onStop('revocations', revocations.close);
  const attempts = createAttempts(settings.tokens.wrongAttempts);
  const agents: AgentPresence = createPresence();
  const servers: ServerPresence = createPresence();
  const metrics = createServerMetrics(context.metrics, { store, agents, servers });

  const questions = createQuestions(servers, undefined, (vault) => vaultName(store, vault));
  const parts = { store, notifier, agents, servers };
  const recoveryPlans = createRecoveryPlans({ ...parts, questions });
  const planParts = { ...parts, questions, plans: recoveryPlans, ...settings.plans };
  const plans = {
    protect: createProtectPlan(parts),
    unprotect: createUnprotectPlan(parts),
    point: createPointPlan(parts),
    move: createMovePlan(parts),
    ...recoveryPlans,
    proof: createProofPlan({ ...parts, questions }),
    'recovery-plan': createPlanJob(planParts),
  };
  const engine = createJobEngine({ store, notifier, plans, log });
  const reconciliation = createReconciliation({ store, agents, servers, settle: settings.reconciliation.settle, log });
  if ((await restoredOf(store)) !== undefined)
    log.warn(
      'This server was restored: until that is reconciled or confirmed, members keep what they were told before, and no job goes on',
    );
  run('reconciliation', reconciliation.run);
  run('jobs', async (signal) => {
    await whenReconciled(store, notifier, signal);
    await engine.run(signal);
  });
  run('scheduled proofs', (signal) => keepProving(store, plans.proof, log, signal));
  run('housekeeping', (signal) => keepHouse(store, settings.history.jobs, settings.certificates.grace, log, signal));

  const install = createInstallFiles(settings.install.directory, log);
  const names = namesOf(settings);
  let port = settings.listen.address.port;
  const announced = (): string => announcedAt(settings, port);
  const addresses = (): readonly string[] => addressesAt(settings, port);
  const whereabouts = createWhereabouts(authority, addresses);
  const backups = openBackups(context, level, id);
  const { intoVaults, vaultPace: pace, keep } = settings.backup;
  const vaultBackups = createVaultBackups({ store, servers, make: intoVaults ? backups.make : undefined, pace, keep, log });
  run('backups into vaults', vaultBackups.run);
  const checking = createChecking({ ...parts, ...settings.checks, log });
  run('checks', checking.run);
  const alerting = createAlertEngine({
    ...parts,
    checking,
    thresholds: settings.alerts,
    interval: settings.alerts.interval,
    calm: settings.alerts.calm,
    reconciliation,
    ownProblem: () => storeHealth.problem?.message ?? backups.problem() ?? vaultBackups.problem() ?? endOf(authority),
    log,
  });
  run('alerts', alerting.run);
  run('balance', async (signal) => {
    await whenReconciled(store, notifier, signal);
    await keepBalance({ ...parts, plans, log, ...settings.balance }, signal);
  });
  await startNotification(context, store);
  const rotation = createRotation({ store, authority, grace: settings.certificates.grace, log });
  const api = createApi({
    ...parts,
    makeBackup: backups.make,
    reconciliation,
    vaultBackups,
    alerting,
    checking,
    engine,
    questions,
    planParts,
    plans,
    authority,
    rotation,
    install,
    announced,
    attempts,
    passwords: createPasswords(2 ** settings.people.passwordCost),
    tokenLifetime: settings.tokens.lifetime,
    sessionLifetime: settings.people.sessionLifetime,
  });
  const { lifetime: certificateLifetime, grace } = settings.certificates;
  const enrolment = createEnrolmentService({ store, authority, attempts, certificateLifetime, grace, version: VERSION });
  const streams = createOpenStreams();
  onStop('control streams', streams.over);
  const control = createControlService({
    ...parts,
    isStopping: () => stopping.aborted,
    version: VERSION,
    questions,
    revocations,
    streams,
    reconciliation,
    addresses,
    whereabouts,
    vaultBackups,
  });
  const rpc = createRpcHandler({
    store,
    notifier,
    attempts,
    revocations,
    grace: {
      lasts: grace,
      get authorities() {
        return authority.trusted;
      },
    },
    pace: settings.calls,
    log,
    stopping,
    onCall: metrics.call,
    routes(router) {
      router.service(EnrolmentService, enrolment);
      router.service(ControlService, control);
      api(router);
    },
  });

  await rotation.finish();
  const { ownLifetime: lifetime } = settings.certificates;
  const own = createOwnCertificate({ authority, id, names, lifetime, log });
  const listener = await listen({
    address: settings.listen.address,
    connections: settings.listen.connections,
    credentials: await authority.issueOwn(id, names, lifetime),
    handlers: [rpc, install.handle, createHealthPage(health), createSuccessorPage(authority)],
    log,
  });
  onStop('listener', listener.close);
  port = listener.port;
  // A step to another authority changes what this server shows, and whom it believes.
  const refresh = async (replaced: boolean): Promise<void> => {
    await own.turned(listener);
    // Behind that: who comes again meets the new one.
    if (replaced) listener.endMembers();
  };
  onStop('certificate authority', authority.onTurn(refresh));
  run('certificate authority', rotation.run);
  run('own certificate', (signal) => own.run(listener, signal));
  log.info('Machines, servers and people are served', {
    host: settings.listen.address.host,
    port,
    announced: announced(),
    fingerprint: authority.fingerprint,
  });
  const { fingerprint } = authority;
  if (settings.localProcessServer.enabled) await runLocalProcessServer({ context, store, port, fingerprint });
  return { port, fingerprint };
};
