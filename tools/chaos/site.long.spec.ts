import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

/*
 * Two minutes of `npm run chaos`, its set-up included: a whole installation, of which a program is killed, one sleeps, the store fails and connections are
 * reset; points of ledgers and stamps are compared after each. Its other faults, and what its oracles find, are in the specs of what it is made of.
 */

/** Its first faults come soon: `kill a program`, `stop a program`, `the store fails`, `connections to a process server are reset`. */
const SEED = 6958;
/** Of faults, from when all is protected. */
const MINUTES = 1.5;
/** Milliseconds, several times what it takes. */
const PATIENCE = 480_000;

const main = path.join(__dirname, 'main.ts');
let child: ChildProcess | undefined;

afterEach(async () => {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  // It takes away what it made, between two events; what is left of one that does not is taken away by the next.
  const ended = once(child, 'close');
  child.kill('SIGINT');
  const late = setTimeout(() => child?.kill('SIGKILL'), 60_000);
  await ended;
  clearTimeout(late);
});

it.unless(
  lacks('root', 'mkfs.ext4', 'mkfs.xfs', 'ip', 'iptables', 'tc'),
  'a site in which programs, networks and the store fail loses nothing, and no point is wrong',
  async () => {
    const started = spawn(
      process.execPath,
      [
        '--conditions=@holdfast/source',
        '--disable-warning=ExperimentalWarning',
        main,
        '--minutes',
        String(MINUTES),
        '--seed',
        String(SEED),
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    child = started;
    let words = '';
    for (const stream of [started.stdout, started.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        words += text;
      });
    const late = setTimeout(() => started.kill('SIGINT'), PATIENCE);
    const [status] = await once(started, 'close');
    clearTimeout(late);
    // All it said stands in the report of a failure.
    expect({ status, words }).toEqual({ status: 0, words: expect.stringMatching(/\d faults, \d+ points verified, .* 0 wrong, 0 lost/) });
    expect(Number(/(\d+) faults, /.exec(words)?.[1])).toBeGreaterThanOrEqual(1);
  },
  PATIENCE + 120_000,
);
