import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { PointKind } from '@holdfast/protocol';
import { until } from '../sender/testing/until.ts';
import { type ConsistencyRig, needsRecovery, openConsistencyRig, withImage } from './testing/consistency-rig.ts';

/** Moves money from one file system to the other, for ever, and stops between two moves while the gate is held. Each move syncs. */
const BANK = `
import fcntl, os, sys
left, right, gate = sys.argv[1:4]
def write(folder, value):
    with open(folder + '/next', 'w') as f:
        f.write(str(value)); f.flush(); os.fsync(f.fileno())
    os.rename(folder + '/next', folder + '/balance')
n = 0
while True:
    with open(gate, 'w') as g:
        fcntl.flock(g, fcntl.LOCK_EX)
        n += 1
        write(left, -n)
        write(right, n)
    print(n, flush=True)
`;

/** Closes the gate in a process of its own until `post`. */
const GATE_SCRIPT = (gate: string): string => `#!/bin/sh
set -e
case $1 in
  pre)
    mkfifo $HOLDFAST_RUN_DIRECTORY/held
    flock ${gate} sh -c "echo held > $HOLDFAST_RUN_DIRECTORY/held; sleep 1000" > /dev/null 2>&1 &
    read word < $HOLDFAST_RUN_DIRECTORY/held;;
  post) echo reopened >> ${gate}.log;;
esac
`;

const MOST_POINTS = 20;

describe.unless(lacks('root', 'losetup', 'mkfs.ext4', 'mkfs.xfs', 'python3'), 'points of a machine with two file systems', () => {
  let one: ConsistencyRig;
  let bank: ChildProcess;
  afterEach(async () => {
    bank.kill('SIGKILL');
    if (bank.exitCode === null && bank.signalCode === null) await once(bank, 'exit');
    await one.close();
  });

  const balance = async (image: Buffer, type: 'ext4' | 'xfs'): Promise<number> => {
    try {
      return await withImage(image, type, false, (mountPoint) => Number(fs.readFileSync(`${mountPoint}/balance`, 'utf8') || Number.NaN));
    } catch {
      return Number.NaN;
    }
  };

  it('applications are between two transactions, files are whole without recovery; a crash-consistent point has neither', async () => {
    one = await openConsistencyRig([
      ['ext4', 64],
      ['xfs', 320],
    ]);
    const gate = path.join(one.folder, 'gate');
    one.addScript('10-bank', GATE_SCRIPT(gate));
    bank = spawn('python3', ['-c', BANK, ...one.disks.map(({ mountPoint }) => mountPoint), gate], { stdio: ['ignore', 'pipe', 'inherit'] });
    let moves = 0;
    bank.stdout!.on('data', () => (moves += 1));
    await until('it moves money', () => moves > 5);
    const [left, right] = one.disks.map(({ disk }) => disk.path) as [string, string];
    const sumOf = async (vault: Map<string, Buffer>): Promise<number> =>
      (await balance(vault.get(left)!, 'ext4')) + (await balance(vault.get(right)!, 'xfs'));

    for (let turn = 0; turn < 3; turn += 1) {
      const { answer, vault } = await one.ask(PointKind.APPLICATION);
      expect([answer.kind, answer.problem?.message]).toEqual([PointKind.APPLICATION, undefined]);
      expect([await sumOf(vault), needsRecovery(vault.get(left)!)]).toEqual([0, false]);
    }
    expect(fs.readFileSync(`${gate}.log`, 'utf8').trim().split('\n')).toHaveLength(3);

    // Frozen, but in the middle of anything.
    const frozen = await one.ask(PointKind.FILESYSTEM);
    expect([frozen.answer.kind, needsRecovery(frozen.vault.get(left)!)]).toEqual([PointKind.FILESYSTEM, false]);
    expect(await balance(frozen.vault.get(left)!, 'ext4')).toBeLessThan(0);

    let broken = 0;
    for (let tries = 0; tries < MOST_POINTS && broken === 0; tries += 1) {
      const { answer, vault } = await one.ask(PointKind.CRASH);
      expect([answer.kind, needsRecovery(vault.get(left)!)]).toEqual([PointKind.CRASH, true]);
      if ((await sumOf(vault)) !== 0) broken += 1;
    }
    expect(broken).toBe(1);
    expect(one.rig.server.violations).toEqual([]);
  });
});

/** A server on the first disk, a client that writes to its ledger, and what the client was told is written. */
interface Ledger {
  /** Rows of which the client was told that they are committed. */
  readonly committed: number;
  stop(): Promise<void>;
}

const READY = 60_000;

const attempt = (program: string, args: readonly string[], options: object = {}): boolean => {
  try {
    execFileSync(program, args, { stdio: 'pipe', ...options });
    return true;
  } catch {
    return false;
  }
};

const ended = async (child: ChildProcess, signal: NodeJS.Signals): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  await once(child, 'exit');
};

/** Sends statements one after the other to a client that echoes a line for each, from 1 on. */
const startLedger = (client: ChildProcess, statement: (row: number) => string): Ledger => {
  let committed = 0;
  let over = false;
  client.stdin!.on('error', () => undefined);
  const next = (): void => void client.stdin!.write(statement(committed + 1));
  client.stdout!.setEncoding('utf8').on('data', (text: string) => {
    committed += text.split('\n').length - 1;
    if (!over) next();
  });
  next();
  return {
    get committed() {
      return committed;
    },
    async stop() {
      over = true;
      await ended(client, 'SIGKILL');
    },
  };
};

describe.unless(lacks('root', 'losetup', 'mkfs.xfs', 'psql', 'setpriv'), 'points with PostgreSQL', () => {
  const undo: (() => unknown)[] = [];
  afterEach(async () => {
    for (const step of undo.splice(0).reverse()) await step();
  });
  const BIN = execFileSync('sh', ['-c', 'ls -d /usr/lib/postgresql/*/bin | tail -1'], { encoding: 'utf8' }).trim();
  const AS = ['--reuid', 'postgres', '--regid', 'postgres', '--init-groups'];
  const as = (program: string, ...args: string[]): string =>
    execFileSync('setpriv', [...AS, path.join(BIN, program), ...args], { encoding: 'utf8', stdio: 'pipe', cwd: '/' });

  const start = async (
    data: string,
    socket: string,
  ): Promise<{ readonly log: () => string; stop(signal: NodeJS.Signals): Promise<void> }> => {
    fs.mkdirSync(socket, { recursive: true });
    execFileSync('chown', ['postgres:postgres', socket]);
    const settings = ['-k', socket, '-c', 'listen_addresses=', '-c', 'checkpoint_timeout=1h', '-c', 'log_checkpoints=on'];
    const server = spawn('setpriv', [...AS, path.join(BIN, 'postgres'), '-D', data, ...settings], {
      stdio: ['ignore', 'ignore', 'pipe'],
      cwd: '/',
    });
    let log = '';
    server.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
    await until(
      'it answers',
      () => attempt('setpriv', [...AS, path.join(BIN, 'pg_isready'), '-q', '-h', socket]),
      () => log,
      READY,
    );
    return { log: () => log, stop: (signal) => ended(server, signal) };
  };

  it('are made right after a checkpoint, and the ledger is whole after a restart from them', async () => {
    const one = await openConsistencyRig([['xfs', 512]]);
    undo.push(() => one.close());
    const [{ mountPoint, disk }] = one.disks as [(typeof one.disks)[0]];
    fs.chmodSync(one.folder, 0o711);
    const data = path.join(mountPoint, 'data');
    fs.mkdirSync(data);
    execFileSync('chown', ['postgres:postgres', data]);
    as('initdb', '-D', data, '--auth=trust');
    const socket = fs.mkdtempSync('/run/holdfast-pg-');
    undo.push(() => fs.rmSync(socket, { recursive: true }));
    const server = await start(data, socket);
    undo.push(() => server.stop('SIGKILL'));
    as('psql', '-qX', '-h', socket, '-d', 'postgres', '-c', 'create table ledger (n int primary key, filler text)');
    const client = spawn('setpriv', [...AS, path.join(BIN, 'psql'), '-qXAt', '-h', socket, '-d', 'postgres'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      cwd: '/',
    });
    const ledger = startLedger(client, (row) => `insert into ledger values (${row}, repeat('x', 500)) returning n;\n`);
    undo.push(() => ledger.stop());
    await until('it writes', () => ledger.committed > 500);
    const ready = path.resolve(__dirname, '../../../../deploy/app-consistency/postgresql');
    one.addScript('50-postgresql', `#!/bin/sh\nHOLDFAST_POSTGRESQL_SOCKETS=${socket} exec ${ready} "$@"\n`);

    /** What a server makes of the disk in the vault. */
    const restore = (image: Buffer) =>
      withImage(image, 'xfs', true, async (restored) => {
        const place = path.join(restored, 'data');
        // The server it names runs here, and would not on the machine that is recovered.
        fs.rmSync(path.join(place, 'postmaster.pid'), { force: true });
        const [, redo] = /Latest checkpoint's REDO location: +(\S+)/.exec(as('pg_controldata', '-D', place))!;
        const again = await start(place, path.join(socket, 'restored'));
        try {
          const ask = ['-qXAt', '-h', path.join(socket, 'restored'), '-d', 'postgres'];
          const [rows, last] = as('psql', ...ask, '-c', 'select count(*), coalesce(max(n), 0) from ledger')
            .trim()
            .split('|')
            .map(Number);
          return { redo: redo!, rows: rows!, last: last!, log: again.log() };
        } finally {
          await again.stop('SIGINT');
        }
      });

    const crash = await one.ask(PointKind.CRASH);
    const before = ledger.committed;
    const { answer, vault } = await one.ask(PointKind.APPLICATION);
    expect([answer.kind, answer.problem?.message]).toEqual([PointKind.APPLICATION, undefined]);
    await until('it goes on', () => ledger.committed > before + 100);
    const good = await restore(vault.get(disk.path)!);
    expect(good.rows).toBe(good.last);
    expect(good.last).toBeGreaterThanOrEqual(before);
    expect(good.last).toBeLessThanOrEqual(ledger.committed + 1);
    // Without the script the last checkpoint is that of the start: all of the ledger comes out of the log.
    const recovered = await restore(crash.vault.get(disk.path)!);
    expect(recovered.rows).toBe(recovered.last);
    const position = (redo: string): bigint => redo.split('/').reduce((sum, part) => (sum << 32n) + BigInt(`0x${part}`), 0n);
    expect(position(good.redo)).toBeGreaterThan(position(recovered.redo) + 100_000n);
  });
});

describe.unless(lacks('root', 'losetup', 'mkfs.ext4', 'mariadbd', 'mariadb-install-db'), 'points with MariaDB', () => {
  const undo: (() => unknown)[] = [];
  afterEach(async () => {
    for (const step of undo.splice(0).reverse()) await step();
  });

  const start = async (data: string, socket: string): Promise<{ stop(signal: NodeJS.Signals): Promise<void> }> => {
    const options = [
      '--no-defaults',
      `--datadir=${data}`,
      `--socket=${socket}`,
      '--skip-networking',
      '--user=mysql',
      `--aria-log-dir-path=${data}`,
    ];
    const server = spawn('mariadbd', [...options, `--pid-file=${socket}.pid`, '--innodb-buffer-pool-size=32M'], { stdio: 'ignore' });
    await until(
      'it answers',
      () => attempt('mariadb', ['--no-defaults', `--socket=${socket}`, '-e', 'select 1']),
      () => server.exitCode,
      READY,
    );
    return { stop: (signal) => ended(server, signal) };
  };
  const sql = (socket: string, statement: string): string =>
    execFileSync('mariadb', ['--no-defaults', `--socket=${socket}`, '-BN', '-e', statement], { encoding: 'utf8', stdio: 'pipe' }).trim();

  it('hold tables that need no repair, whatever their engine, and the whole ledger', async () => {
    const one = await openConsistencyRig([['ext4', 512]]);
    undo.push(() => one.close());
    const [{ mountPoint, disk }] = one.disks as [(typeof one.disks)[0]];
    const data = path.join(mountPoint, 'data');
    fs.mkdirSync(data);
    execFileSync('chown', ['mysql:mysql', data]);
    execFileSync('mariadb-install-db', ['--no-defaults', `--datadir=${data}`, '--user=mysql', '--skip-test-db'], { stdio: 'pipe' });
    const run = fs.mkdtempSync('/run/holdfast-my-');
    execFileSync('chown', ['mysql:mysql', run]);
    undo.push(() => fs.rmSync(run, { recursive: true }));
    const socket = path.join(run, 'socket');
    const server = await start(data, socket);
    undo.push(() => server.stop('SIGKILL'));
    sql(
      socket,
      'create database bank; create table bank.safe (n int primary key, f text) engine=InnoDB; create table bank.quick (n int primary key, f text) engine=MyISAM',
    );
    const client = spawn('mariadb', ['--no-defaults', `--socket=${socket}`, '-BN', '--unbuffered'], { stdio: ['pipe', 'pipe', 'inherit'] });
    const filler = "repeat('x', 500)";
    const ledger = startLedger(
      client,
      (row) => `insert into bank.safe values (${row}, ${filler}); insert into bank.quick values (${row}, ${filler}); select ${row};\n`,
    );
    undo.push(() => ledger.stop());
    await until('it writes', () => ledger.committed > 300);
    const ready = path.resolve(__dirname, '../../../../deploy/app-consistency/mariadb');
    one.addScript('50-mariadb', `#!/bin/sh\nHOLDFAST_MARIADB_OPTIONS="--no-defaults --socket=${socket}" exec ${ready} "$@"\n`);

    const restore = (image: Buffer) =>
      withImage(image, 'ext4', true, async (restored) => {
        const other = path.join(run, 'restored');
        const again = await start(path.join(restored, 'data'), other);
        try {
          const check = sql(other, 'check table bank.quick');
          const [safe, last, quick] = sql(other, 'select count(*), max(n), (select count(*) from bank.quick) from bank.safe')
            .split('\t')
            .map(Number);
          return { check, safe: safe!, last: last!, quick: quick! };
        } finally {
          await again.stop('SIGTERM');
        }
      });

    const before = ledger.committed;
    const { answer, vault } = await one.ask(PointKind.APPLICATION);
    expect([answer.kind, answer.problem?.message]).toEqual([PointKind.APPLICATION, undefined]);
    await until('it goes on', () => ledger.committed > before + 100);
    const good = await restore(vault.get(disk.path)!);
    expect(good.check).toBe('bank.quick\tcheck\tstatus\tOK');
    expect(good.safe).toBe(good.last);
    expect(good.last).toBeGreaterThanOrEqual(before);
    expect(good.last - good.quick).toBeLessThanOrEqual(1);

    // Without the script such a table was open when the point was made, and says so.
    const crash = await one.ask(PointKind.CRASH);
    expect((await restore(crash.vault.get(disk.path)!)).check).not.toBe('bank.quick\tcheck\tstatus\tOK');
    // The lock is let go when everybody who could do so is killed.
    expect(sql(socket, 'show processlist')).not.toContain('READ LOCK');
  });
});
