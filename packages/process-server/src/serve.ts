import { hkdfSync } from 'node:crypto';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { endThreads } from '@holdfast/block';
import { createCheckAnswerer, createRate, holdServerControl, type Membership, type ProgramContext } from '@holdfast/daemon';
import { HoldfastError } from '@holdfast/errors';
import { bytesPerSecondAt, createReplicationServer, type Peer } from '@holdfast/protocol';
import { openAssignmentFile } from './control/assignment-file.ts';
import type { Assignments } from './control/assignments.ts';
import { createControlBackups } from './control/control-backups.ts';
import { createEvents } from './control/events.ts';
import { forgetPrevious, keepVaults } from './control/keep-vaults.ts';
import { createReconciler, inForce } from './control/reconcile.ts';
import { createCpuShare, makeReport } from './control/server-report.ts';
import { standingsOf, vaultReports } from './control/vault-reports.ts';
import { createWhereabouts } from './control/whereabouts.ts';
import { endpointsOf } from './endpoints.ts';
import { openJournalKey } from './journal/journal-key.ts';
import { openNodeDirectory } from './journal/node-directory.ts';
import { openJournal } from './journal/open-journal.ts';
import { startKeeper } from './keeper/start-keeper.ts';
import { createMachines } from './machines.ts';
import { createServerMetrics } from './metrics.ts';
import { LARGEST_FRAME } from './receive/check-frames.ts';
import { createCreditPool } from './receive/credit-pool.ts';
import { createCutTurns } from './receive/cut-turns.ts';
import { createJournalBrake } from './receive/journal-brake.ts';
import { startRecovery } from './recovery/start-recovery.ts';
import type { ProcessServerSchema } from './settings.ts';
import { lookAround } from './surroundings/look-around.ts';
import { openAnchors } from './upload/anchors.ts';
import { locationOf } from './upload/place-of.ts';
import { openVaultIdentities } from './upload/vault-identities.ts';
import { createVaults } from './upload/vaults.ts';

/** Milliseconds between reports to the configuration server, and between looks at the journal. */
const REPORT_EVERY = 3000;
const LOOK_EVERY = 1000;
/** Milliseconds that vaults may take to answer before the configuration server is told of them as they are known. */
const FIRST_LOOK = 3000;
/** Part of the journal below which cuts of all machines come at the same time again. */
const HALF = 0.5;
/** Part of the memory that credit may fill; the rest keeps what waits for upload. */
const CREDIT_PART = 0.5;
/** Milliseconds from one sync of the journal to the next, at least: cuts of many machines come one after the other. */
const COMMIT_GAP = 50;
/** Bytes a stream may send at once with nothing begun: something small need not wait. */
const IDLE = 32 * 1024;
/** Bytes with which a cut begins: a frame as agents make them, and some. */
const FIRST = 320 * 1024;
/** Part of the journal's quota from which on cuts without changes are gathered no longer: they keep the files they are in from being used again. */
const CROWDED = 0.25;
/** Bytes every stream may send in any case that does not get along with less: the largest frame with its length, and some. */
const FLOOR = LARGEST_FRAME + 64 * 1024;

const revoked = ({ identity }: Peer): HoldfastError =>
  new HoldfastError('CERTIFICATE_REVOKED', {
    thing: `${identity.role} ${identity.id}`,
    why: 'its certificate was revoked',
    remedy: 'enrol the machine again',
  });

/** All the work of a process server that is a member; resolves when it listens. */
export const serveMember = async (context: ProgramContext<ProcessServerSchema>, membership: Membership): Promise<void> => {
  const { settings, stateDirectory, log, health, metrics, version, onStop, run, status } = context;
  const { replication, upload } = settings;

  const events = createEvents();
  const anchors = await openAnchors(stateDirectory, log);
  const journalKey = await openJournalKey(stateDirectory);
  const journalDirectory = settings.journal.directory ?? path.join(stateDirectory, 'journal');
  const journal = await openJournal({
    directory: await openNodeDirectory(journalDirectory),
    key: journalKey,
    segmentBytes: Math.min(settings.journal.segment, Math.floor(settings.journal.quota / 4)),
    quota: settings.journal.quota,
    memory: Math.floor(replication.memory * (1 - CREDIT_PART)),
    commitGap: COMMIT_GAP,
  });
  // After all else: whoever still has work for them waits for it.
  onStop('threads', endThreads);
  onStop('journal', () => journal.close());
  journal.failure.catch((reason: unknown) => context.stop(reason as Error));
  for (const error of journal.damage) {
    log.error('The journal is damaged; nothing of that place is used', { error });
    events.add(error.code, `${error.thing}: ${error.why}`);
  }

  const rate = createRate(() => bytesPerSecondAt(upload.bandwidth, new Date()));
  const places = Object.fromEntries(Object.entries(settings.vaults).map(([name, { url }]) => [name, locationOf(url)]));
  const identities = await openVaultIdentities(places, { stateDirectory, log });
  const vaults = createVaults({ settings: settings.vaults, identities, requests: upload.requests, rate, log, health, events });
  onStop('vaults', () => vaults.close());
  const whereabouts = createWhereabouts({ membership, vaults, isAway: () => control.state !== 'connected', log });
  const turns = createCutTurns();
  const uploading = (): boolean => [...machines.all].some(({ uploader }) => uploader.state.pendingCuts > 0);
  const brake = createJournalBrake(journal, { smallest: FLOOR, uploading, patience: settings.journal.patience });
  const pool = createCreditPool({
    budget: Math.floor(replication.memory * CREDIT_PART),
    idle: IDLE,
    first: FIRST,
    floor: FLOOR,
    most: Math.max(FLOOR, replication.receiveWindow),
    room: brake.room,
  });
  journal.onRoom(pool.refresh);
  const figures = createServerMetrics(metrics, { journal, pool, machines: () => machines.all });
  let durableBytes = 0;
  const machines = createMachines({
    version,
    journal,
    pool,
    turns,
    vaults,
    anchors,
    events,
    log,
    sealInterval: upload.sealInterval,
    idleInterval: upload.idleInterval,
    segmentSize: upload.segment,
    inFlight: upload.inFlight,
    longestPause: upload.retryLongest,
    digests: {
      directory: path.join(stateDirectory, 'digests'),
      key: new Uint8Array(hkdfSync('sha256', journalKey.key, journalKey.id, 'holdfast digests v1', 32)),
    },
    refusal: brake.refusal,
    pace: brake.pace,
    whereabouts,
    onReceived: figures.received,
    onDurable(bytes) {
      durableBytes += bytes;
      figures.durable(bytes);
    },
  });
  onStop('machines', () => machines.close());

  const file = openAssignmentFile(stateDirectory, log);
  let assignments: Assignments = { revision: 0, machines: new Map(), revoked: new Set() };
  const kept = await file.load();
  if (kept !== undefined) {
    assignments = kept;
    await machines.assign(kept);
  }

  const keeper = settings.keeper.enabled
    ? startKeeper({
        context,
        events,
        anchors,
        identities,
        machines: () => (assignments.reconciling === true ? [] : [...assignments.machines.values()]),
      })
    : undefined;
  const reconciler = createReconciler({ vaults, log });
  const controlBackups = createControlBackups({
    membership,
    vault: vaults.open,
    keeperVault: keeper?.vault,
    log,
  });
  if (keeper === undefined) log.info('This server keeps no vault: `holdfast vault keep` has to');

  const server = await createReplicationServer({
    host: replication.listen.host,
    port: replication.listen.port,
    credentials: membership.credentials,
    receiveWindow: replication.receiveWindow,
    roles: ['agent'],
    admit(peer) {
      if (assignments.revoked.has(peer.serial)) throw revoked(peer);
    },
    serve: (call) => machines.serve(call),
    onProblem: (error) => log.warn('A stream ended', { error }),
  });
  onStop('replication server', () => server.close());
  onStop('renewals', membership.onRenewed(server.refreshCredentials));
  log.info('Agents are served', { host: replication.listen.host, port: server.port });

  /** Certificates whose streams were ended; from then on `admit` refuses them. */
  const endedSerials = new Set<string>();
  const apply = async (wanted: Assignments): Promise<void> => {
    assignments = wanted;
    // At once: while the configuration server is reconciled nothing is thinned, what is under way included.
    keeper?.wake();
    await file.save(wanted);
    const end = async (serial: string): Promise<void> => {
      await server.disconnect(
        (peer) => peer.serial === serial,
        new HoldfastError('CERTIFICATE_REVOKED', {
          thing: `certificate ${serial}`,
          why: 'it was revoked',
          remedy: 'enrol the machine again',
        }),
      );
      endedSerials.add(serial);
    };
    // All at once: each may take its connection's farewell of two seconds, and all of them five.
    await Promise.all([...wanted.revoked].filter((serial) => !endedSerials.has(serial)).map(end));
    await machines.assign(wanted);
    forgetPrevious(identities, wanted);
  };

  const cpuShare = createCpuShare();
  const recovery = await startRecovery(context, vaults, () => tell());
  const control = holdServerControl({
    membership,
    version,
    log,
    health,
    metrics,
    async onState(state) {
      checks.ask(state.checkRequest);
      reconciler.set(state.reconciling);
      controlBackups.want(state.backups);
      whereabouts.take(state.whereabouts);
      // One that was restored knows of no recoveries: those that run stay.
      await Promise.all([apply(inForce(assignments, state)), state.reconciling ? undefined : recovery.apply(state)]);
    },
    async hello() {
      // Which vaults they are is known at once where they answer.
      await Promise.race([vaults.look(), sleep(FIRST_LOOK, undefined, { ref: false })]);
      return {
        endpoints: endpointsOf(replication, server.port),
        vaults: vaults.names,
        vaultReports: vaultReports(vaults, standingsOf(machines.all)),
        fabrics: await recovery.fabrics(),
      };
    },
  });

  health.check('journal', () => brake.refusal()?.message);
  run('renewal of the certificate', membership.keepRenewed);
  run('control', control.run);
  run('reconciliation', reconciler.run);
  run('backups of the configuration server', controlBackups.run);
  run('whereabouts of the configuration server', whereabouts.run);
  run('vaults', (stopping) =>
    keepVaults(
      vaults,
      () => {
        forgetPrevious(identities, assignments);
        tell();
      },
      stopping,
    ),
  );

  const tell = (): void =>
    control.report(
      makeReport({
        machines: machines.all,
        vaults,
        journal,
        cpuShare: cpuShare(),
        events,
        recovery,
        checks,
        assignments,
        reconciler,
        backups: controlBackups,
        keeper,
      }),
    );
  const surroundings = {
    vaults,
    journal: { directory: journalDirectory, quota: settings.journal.quota },
    requireBridge: recovery.requireBridge,
  };
  const checks = createCheckAnswerer({ look: (request) => lookAround(surroundings, request), onAnswer: tell, log });
  const report = setInterval(() => {
    tell();
    anchors.save().catch((error: unknown) => log.warn('The anchors could not be written', { error }));
  }, REPORT_EVERY);
  let makingRoom = false;
  const makeRoom = async (): Promise<void> => {
    if (makingRoom) return;
    makingRoom = true;
    try {
      const names = await machines.makeRoom();
      if (names.length > 0)
        log.warn('Beginnings of cuts fill the journal: they are given up, and cuts come one at a time', { machines: names });
    } catch (error) {
      log.error('No room could be made in the journal', { error });
    } finally {
      makingRoom = false;
    }
  };
  const look = setInterval(() => {
    const full = brake.tick(server.calls, durableBytes);
    durableBytes = 0;
    pool.refresh();
    if (journal.usage.used < journal.usage.limit * HALF) turns.widen();
    if (journal.usage.used > CROWDED * journal.usage.quota) for (const { uploader } of machines.all) uploader.hurry();
    const refusal = brake.refusal();
    if (refusal === undefined) return;
    if (full) {
      log.error('The journal is full: all agents are stopped', { error: refusal });
      events.add(refusal.code, refusal.why);
      machines.disconnect(refusal);
    }
    // What is on its way now may be gone soon, and have made no room.
    void makeRoom();
  }, LOOK_EVERY);
  onStop('reports', async () => {
    clearInterval(report);
    clearInterval(look);
    await anchors.save();
  });
  status(`receives for ${assignments.machines.size} machines`);
};
