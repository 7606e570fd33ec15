import { until } from '../lab/host/until.ts';
import {
  enterRecovered,
  listPoints,
  MACHINE,
  PATIENCE,
  pointWithRows,
  type Recovered,
  runJob,
  type Scene,
  verifyLedger,
  verifySilence,
} from './scenario.ts';
import type { Layout } from './server-image.ts';

const SIZE = ['--size', '1x2GiB'] as const;
/** Rows that a point has to have behind it. */
const ROWS = 30;

const must = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(what);
};

const timeOf = (point: { readonly time: string }): number => Date.parse(point.time);

/** From a point without any preparation: what a power loss would leave. */
const failOver = async (scene: Scene): Promise<Recovered> => {
  const { steps, source } = scene;
  const point = await steps.take(
    'a crash-consistent point under load',
    () => pointWithRows(scene, 'crash', ROWS),
    ({ time }) => time,
  );
  const start = ['failover', 'start', MACHINE, '--point', point.id, ...SIZE, '--yes'];
  await steps.take('holdfast failover start', () => runJob(scene, ...start));
  const recovered = await enterRecovered(scene, 'crash-consistent');
  await verifyLedger(scene, recovered, 'crash-consistent', source.ledger.until(timeOf(point)));
  return recovered;
};

/** Another point, made with PostgreSQL at rest; then back, and the source goes on as if nothing had been. */
const changeAndCancel = async (scene: Scene): Promise<void> => {
  const { steps, source, servers } = scene;
  const known = await steps.take(
    'an application-consistent point',
    async () => {
      await runJob(scene, 'machine', 'point', MACHINE, '--application');
      return pointWithRows(scene, 'application', ROWS);
    },
    ({ time }) => time,
  );
  const first = await failOver(scene);
  await verifySilence(scene, first);
  await steps.take('holdfast failover change-point', () =>
    runJob(scene, 'failover', 'change-point', MACHINE, '--point', known.id, '--yes'),
  );
  must((await first.fabric.status(first.operationId)) === undefined, 'the machine of the first point is still there');
  const second = await enterRecovered(scene, 'application-consistent');
  await verifyLedger(scene, second, 'application-consistent', source.ledger.until(timeOf(known)));
  const newest = Math.max(...(await listPoints(scene)).map(timeOf));
  await steps.take('holdfast failover cancel', () => runJob(scene, 'failover', 'cancel', MACHINE, '--yes'));
  must((await second.fabric.list()).length === 0, 'a machine is left');
  const goesOn = async (): Promise<string> => {
    const isNewer = async (): Promise<boolean> => (await listPoints(scene)).some((point) => timeOf(point) > newest);
    await until('a point after the failover', isNewer, { seconds: PATIENCE.seconds, everyMilliseconds: 2_000 });
    const events = await servers.person.json<{ code: string }[]>(['event', 'list', '--limit', '500']);
    must(!events.some(({ code }) => code === 'resynchronizing'), 'the source was compared with the vault again');
    return 'new points, no resynchronization';
  };
  await steps.take('the source goes on', goesOn, (seen) => seen);
};

interface Proven {
  readonly proof: { readonly passed: boolean };
}

/** A point is started in isolation, and the agent inside has to say that it is up. */
const prove = async ({ steps, servers: { person } }: Scene): Promise<void> => {
  const ask = ['point', 'prove', MACHINE, '--prove-agent', '--prove-fsck', '--wait', '--prove-patience'];
  const look = async (): Promise<void> => {
    const { proof } = await person.json<Proven>([...ask, `${PATIENCE.seconds}s`]);
    must(proof.passed, 'it is not proven');
  };
  await steps.take('holdfast point prove --prove-agent', look);
};

/** For good: all of it is copied, and it needs neither vault nor servers. */
const commit = async (scene: Scene): Promise<void> => {
  const { steps, source, servers } = scene;
  await prove(scene);
  const recovered = await failOver(scene);
  await verifySilence(scene, recovered);
  await steps.take('holdfast failover commit', () => runJob(scene, 'failover', 'commit', MACHINE, '--yes'));
  const [shown] = await servers.person.json<{ point: { time: string } }[]>(['recovery', 'list']);
  const before = (await listPoints(scene)).length;
  const status = await recovered.fabric.status(recovered.operationId);
  must(status?.state === 'running' && status.disks.every(({ hydrated }) => hydrated), `not independent: ${JSON.stringify(status)}`);
  await servers.processServer.stop();
  await recovered.console.run('sync; echo 3 >/proc/sys/vm/drop_caches', PATIENCE.console);
  await verifyLedger(scene, recovered, 'committed, its process server ended', source.ledger.until(timeOf(shown!.point)));
  await servers.processServer.start();
  // Points are read where the vault's key is; until that is back nobody tells any.
  let after: readonly object[] | undefined;
  const isBack = async (): Promise<boolean> => {
    after = await listPoints(scene).catch(() => undefined);
    return after !== undefined;
  };
  await until('points, with the process server back', isBack, { seconds: PATIENCE.seconds, everyMilliseconds: 2_000 });
  must(after?.length === before, 'the source, failed over for good, has made points');
};

/** Without loss: the source comes to rest by its own script, all of it arrives, it powers off, and only then the machine starts. */
const move = async (scene: Scene): Promise<void> => {
  const { steps, source } = scene;
  await steps.take(
    'work under replication',
    () => pointWithRows(scene, 'crash', ROWS),
    ({ time }) => time,
  );
  const script = "'#!/bin/sh\\n[ $1 = pre ] && systemctl stop ledger\\n[ $1 = post ] && systemctl start ledger\\nexit 0\\n'";
  const place = '/etc/holdfast/shutdown.d';
  const put = `mkdir -p ${place} && printf ${script} >${place}/10-ledger && chmod 755 ${place}/10-ledger`;
  must((await source.console.run(put, PATIENCE.console)).status === 0, 'the script could not be written');
  const start = ['failover', 'start', MACHINE, '--shutdown-source', '--point', 'latest', ...SIZE, '--yes'];
  await steps.take('holdfast failover start --shutdown-source', () => runJob(scene, ...start));
  await steps.take('the source is off', () => source.ended);
  const recovered = await enterRecovered(scene, 'moved');
  await verifyLedger(scene, recovered, 'moved, without loss', source.ledger.until());
  await steps.take('holdfast failover commit', () => runJob(scene, 'failover', 'commit', MACHINE, '--yes'));
};

/** Each layout with another way through a failover, so that together they are all of it. */
export const FLOWS: Readonly<Record<Layout, (scene: Scene) => Promise<void>>> = {
  'bios-ext4': changeAndCancel,
  'uefi-xfs': commit,
  lvm: move,
};
