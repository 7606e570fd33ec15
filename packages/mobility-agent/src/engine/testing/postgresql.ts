import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../../sender/testing/until.ts';

const AS = ['--reuid', 'postgres', '--regid', 'postgres', '--init-groups'];
const PATIENCE = 300_000;

const programs = (): string => execFileSync('sh', ['-c', 'ls -d /usr/lib/postgresql/*/bin | tail -1'], { encoding: 'utf8' }).trim();

/** Runs one of PostgreSQL's programs as its user; what it printed. */
export const postgres = (program: string, ...args: string[]): string =>
  execFileSync('setpriv', [...AS, join(programs(), program), ...args], { encoding: 'utf8', stdio: 'pipe', cwd: '/' }).trim();

export interface PostgresServer {
  sql(statement: string): string;
  stop(signal: NodeJS.Signals): Promise<void>;
  /** Inserts the rows 1, 2, 3, … into `ledger` for ever, each a transaction of its own. */
  startLedger(): PostgresLedger;
}

export interface PostgresLedger {
  /** Rows of which the client was told that they are committed. */
  readonly committed: number;
  stop(): Promise<void>;
}

const end = async (child: ChildProcess, signal: NodeJS.Signals): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  await once(child, 'exit');
};

/** Starts a server on a data directory and waits until it answers; rejects with its log when it ends instead. */
export const startPostgres = async (data: string, socket: string): Promise<PostgresServer> => {
  mkdirSync(socket, { recursive: true });
  execFileSync('chown', ['postgres:postgres', socket]);
  const settings = ['-k', socket, '-c', 'listen_addresses=', '-c', 'checkpoint_timeout=30s', '-c', 'bgwriter_delay=20ms'];
  const server = spawn('setpriv', [...AS, join(programs(), 'postgres'), '-D', data, ...settings], {
    stdio: ['ignore', 'ignore', 'pipe'],
    cwd: '/',
  });
  let log = '';
  server.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
  const client = ['-qXAt', '-h', socket, '-d', 'postgres'];
  const answers = (): boolean => {
    if (server.exitCode !== null) throw new Error(`PostgreSQL ended: ${log}`);
    try {
      postgres('pg_isready', '-q', '-h', socket);
      return true;
    } catch {
      return false;
    }
  };
  await until('PostgreSQL answers', answers, () => log, PATIENCE);
  return {
    sql: (statement) => postgres('psql', ...client, '-c', statement),
    stop: (signal) => end(server, signal),
    startLedger() {
      const session = spawn('setpriv', [...AS, join(programs(), 'psql'), ...client], { stdio: ['pipe', 'pipe', 'inherit'], cwd: '/' });
      let committed = 0;
      let over = false;
      session.stdin.on('error', () => undefined);
      const next = (): void => void session.stdin.write(`insert into ledger values (${committed + 1}, repeat('x', 500)) returning n;\n`);
      session.stdout.setEncoding('utf8').on('data', (text: string) => {
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
          await end(session, 'SIGKILL');
        },
      };
    },
  };
};
