import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { PointKind } from '@holdfast/protocol';
import { until } from '../sender/testing/until.ts';
import { type ConsistencyRig, openConsistencyRig, withImage } from './testing/consistency-rig.ts';
import { type PostgresLedger, postgres, startPostgres } from './testing/postgresql.ts';

/*
 * A PostgreSQL whose data lies on one disk and whose log lies on another, under different file systems. Crash-consistent points of both, made while it
 * commits row after row, must each recover to an exact prefix of the rows, with all that had been acknowledged before the point was asked for.
 */

type Kind = 'ext4' | 'xfs';
const SIZE_MB = 400;
const POINTS = 5;
const PATIENCE = 300_000;

interface Point {
  readonly images: ReadonlyMap<string, Buffer>;
  readonly acknowledged: number;
  /** Rows that had been begun when the point was there. */
  readonly begun: number;
}

describe.unless(lacks('root', 'losetup', 'mkfs.ext4', 'mkfs.xfs', 'psql', 'setpriv'), 'the ledger of PostgreSQL', () => {
  const undo: (() => unknown)[] = [];
  afterEach(async () => {
    for (const step of undo.splice(0).reverse()) await step();
  });

  /** What is wrong with the server that both disks make; undefined when nothing is. */
  const judge = (data: Buffer, wal: Buffer, kinds: readonly [Kind, Kind], socket: string, { acknowledged, begun }: Point) =>
    withImage(data, kinds[0], true, (dataAt) =>
      withImage(wal, kinds[1], true, async (walAt): Promise<string | undefined> => {
        const place = path.join(dataAt, 'data');
        // The server it names runs here, and would not on the machine that is recovered; and the log is mounted elsewhere.
        fs.rmSync(path.join(place, 'postmaster.pid'), { force: true });
        fs.rmSync(path.join(place, 'pg_wal'));
        fs.symlinkSync(path.join(walAt, 'wal'), path.join(place, 'pg_wal'));
        try {
          const server = await startPostgres(place, path.join(socket, 'restored'));
          try {
            const [rows, last] = server.sql('select count(*), coalesce(max(n), 0) from ledger').split('|').map(Number) as [number, number];
            if (rows !== last) return `${rows} rows up to row ${last}`;
            if (last < acknowledged) return `row ${acknowledged} was acknowledged, ${last} is the last`;
            if (last > begun) return `row ${last} was not begun yet`;
            postgres('pg_amcheck', '-h', path.join(socket, 'restored'), '-d', 'postgres', '--install-missing', '--heapallindexed');
            return undefined;
          } finally {
            await server.stop('SIGINT');
          }
        } catch (reason) {
          return `it does not start: ${String(reason).slice(-500)}`;
        }
      }),
    );

  it.each([[['ext4', 'xfs']], [['xfs', 'ext4']]] as const)(
    'is an exact prefix of its rows in every point: data and log on %s',
    async (kinds) => {
      const one: ConsistencyRig = await openConsistencyRig(kinds.map((kind) => [kind, SIZE_MB] as const));
      undo.push(() => one.close());
      const [data, wal] = one.disks as [ConsistencyRig['disks'][0], ConsistencyRig['disks'][0]];
      for (const [disk, name] of [
        [data, 'data'],
        [wal, 'wal'],
      ] as const) {
        fs.chmodSync(disk.mountPoint, 0o711);
        fs.mkdirSync(path.join(disk.mountPoint, name));
        execFileSync('chown', ['postgres:postgres', path.join(disk.mountPoint, name)]);
      }
      const place = path.join(data.mountPoint, 'data');
      postgres('initdb', '-D', place, '--auth=trust', `--waldir=${path.join(wal.mountPoint, 'wal')}`);
      const socket = fs.mkdtempSync('/run/holdfast-pg-');
      undo.push(() => fs.rmSync(socket, { recursive: true }));
      const server = await startPostgres(place, socket);
      undo.push(() => server.stop('SIGKILL'));
      server.sql('create table ledger (n int primary key, filler text)');
      const ledger: PostgresLedger = server.startLedger();
      undo.push(() => ledger.stop());

      const points: Point[] = [];
      while (points.length < POINTS) {
        const acknowledged = ledger.committed;
        await until(
          'it goes on',
          () => ledger.committed > acknowledged + 50,
          () => ledger.committed,
          PATIENCE,
        );
        const before = ledger.committed;
        const { vault } = await one.ask(PointKind.CRASH);
        points.push({ images: vault, acknowledged: before, begun: ledger.committed + 1 });
      }
      const imagesOf = ({ images }: Point): [Buffer, Buffer] => [images.get(data.disk.path)!, images.get(wal.disk.path)!];
      for (const point of points) expect(await judge(...imagesOf(point), [kinds[0], kinds[1]], socket, point)).toBeUndefined();
      expect(one.rig.server.violations).toEqual([]);

      // Disks of two points are no machine: the log of the first lacks what the last one is known to hold.
      const last = points.at(-1)!;
      expect(await judge(imagesOf(last)[0], imagesOf(points[0]!)[1], [kinds[0], kinds[1]], socket, last)).toMatch(/./);
    },
    1_800_000,
  );
});
