import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

/*
 * At most two minutes of `npm run chaos`, its set-up included: a whole installation; an agent is killed, the store does not answer and
 * connections are reset while machines move; after each nothing promised of any of the three is missing, and all points of the stamped machines are compared. The same events
 * at any load: more of it takes longer, and nothing else. Its other faults, and what its oracles find, are in the specs of what it is made of; ledgers are
 * compared by `lab/lab.live.spec.ts`, and by longer runs.
 */

/** Its first faults: `kill a program` (an agent), `the store fails`, `connections to a process server are reset`. */
const SEED = 80_436;
/** Up to the verification behind the third fault. */
const EVENTS = 17;
const FAULTS = 3;
/** Milliseconds, several times what it takes; it is to become a live spec, and a file of `npm test` may take ten minutes. */
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
      ['--conditions=@holdfast/source', '--disable-warning=ExperimentalWarning', main, '--events', String(EVENTS), '--seed', String(SEED)],
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
    const told = expect.stringMatching(`\\n${FAULTS} faults, [1-9]\\d* points verified, .* 0 wrong, 0 lost`);
    expect({ status, words }).toEqual({ status: 0, words: told });
  },
  PATIENCE + 30_000,
);
