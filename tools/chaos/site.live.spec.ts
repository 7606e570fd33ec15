import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

/*
 * `npm run chaos` for about two minutes, its set-up included: a whole installation of three machines, a store and two process servers, in which programs are
 * killed and stopped, the store, networks and disks fail, and machines move. After each fault nothing promised of any machine is missing, what is new in a log
 * is read, and all points of the stamped machines are compared; once, points of the ledger are recovered. How long it lasts is limited by what it has done: a busy machine, where all takes
 * longer, sees fewer of the same faults, and none is judged before it is over. Its other faults are for longer runs.
 */

/** Its first faults: the store fails, a program is killed, another stopped, a process server is cut off from agents, the disk of a journal is full. */
const SEED = 34_708;
/** Up to the verification behind the fifth fault. */
const EVENTS = 23;
/** It ends with the first verification behind these. */
const MINUTES = 1.5;
/** Milliseconds; only for what hangs. */
const PATIENCE = 540_000;

const main = path.join(__dirname, 'main.ts');
let child: ChildProcess | undefined;

afterEach(async () => {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  // It takes away what it made, between two events; what is left of one that does not is taken away by the next.
  const ended = once(child, 'close');
  child.kill('SIGINT');
  const late = setTimeout(() => child?.kill('SIGKILL'), 20_000);
  await ended;
  clearTimeout(late);
}, 30_000);

it.unless(
  lacks('root', 'mkfs.ext4', 'mkfs.xfs', 'ip', 'iptables', 'tc', 'qemu-img'),
  'a site in which programs, networks, disks and the store fail loses nothing, and no point is wrong',
  async () => {
    const limits = ['--events', String(EVENTS), '--minutes', String(MINUTES)];
    const started = spawn(
      process.execPath,
      ['--conditions=@holdfast/source', '--disable-warning=ExperimentalWarning', main, '--seed', String(SEED), ...limits],
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
    const told = expect.stringMatching(/\n[1-9]\d* faults, [1-9]\d* points verified, .* 0 wrong, 0 lost/);
    expect({ status, words }).toEqual({ status: 0, words: told });
  },
  PATIENCE + 20_000,
);
