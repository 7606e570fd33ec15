/**
 * jest as a child of this process, so that its death can be told: a native crash, a `process.exit` in a test or a spec that never gives its turn away
 * (a loop over promises that are settled already, which stops jest's own timeouts too) leave no results and often no word.
 */
const { spawn } = require('node:child_process');
const os = require('node:os');
const path = require('node:path');
const { stripVTControlCharacters } = require('node:util');
const { Course, deathOf, seconds } = require('./course.cjs');
const { kernelSays } = require('./kernel-says.cjs');
const { kindOf, readResults, removeResults, writeResults } = require('./results.cjs');

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];
/** Milliseconds that jest has to end after a signal, and its stderr after its end (a program that outlives it may hold that). */
const GRACE = 5000;
/** How much of what it said last is kept and told. */
const CHARACTERS = 16_384;
const LINES = 30;

/** What was said last on a stream, which is shown as it comes. */
const tailOf = (stream) => {
  let text = '';
  stream?.setEncoding('utf8').on('data', (more) => {
    process.stderr.write(more);
    text = (text + more).slice(-CHARACTERS);
  });
  return () => stripVTControlCharacters(text).trim().split('\n').slice(-LINES).join('\n');
};

/** jest is the first of a process group of its own, with the programs that specs start. */
const signalGroup = ({ pid }, signal) => {
  try {
    process.kill(-pid, signal);
  } catch {
    // All of it has ended by itself.
  }
};

/** Resolves to status and signal when it has ended and all it had to say was heard. `atEnd` is called between. */
const endOf = (jest, atEnd) =>
  new Promise((resolve, reject) => {
    jest.once('error', reject);
    jest.once('exit', (...end) => {
      atEnd(...end);
      const enough = setTimeout(() => resolve(end), GRACE);
      jest.once('close', () => {
        clearTimeout(enough);
        resolve(end);
      });
    });
  });

const describeDeath = (death, signal, uptime, said) => {
  const kernel = signal === null ? [] : kernelSays(uptime);
  return [
    death,
    ...(kernel.length > 0 ? ['the kernel said meanwhile, of this or another process:', ...kernel] : []),
    ...(said === '' ? [] : ['what it said last:', said]),
  ].join('\n');
};

/**
 * Runs jest with these arguments for the project in the working directory, at most `limit` milliseconds for one file (`silence` between two), and
 * resolves to the status for this process, after all there is to say is on stderr and among the results. A signal to this process is handed to jest;
 * then it resolves to the signal.
 */
module.exports = async (args, { limit, silence = limit }) => {
  const root = process.cwd();
  const kind = kindOf(process.env.HOLDFAST_TESTS);
  removeResults(root, kind);
  const startedAt = Date.now();
  const uptime = os.uptime();
  const course = new Course(root);
  const jest = spawn(process.execPath, [require.resolve('jest/bin/jest'), ...args], {
    detached: true,
    stdio: ['ignore', 'inherit', process.stderr.isTTY ? 'inherit' : 'pipe', 'ipc'],
  });
  jest.on('message', (message) => course.take(message));
  const said = tailOf(jest.stderr);

  let told;
  const interrupt = (signal) => {
    told = signal;
    signalGroup(jest, signal);
    setTimeout(() => signalGroup(jest, 'SIGKILL'), GRACE).unref();
  };
  for (const signal of SIGNALS) process.on(signal, interrupt);

  let late = [];
  const look = () => {
    late = course.late(limit, silence);
    if (late.length === 0) return;
    clearInterval(looking);
    signalGroup(jest, 'SIGKILL');
  };
  const looking = limit === Number.POSITIVE_INFINITY ? undefined : setInterval(look, Math.min(1000, limit / 4));

  const [status, signal] = await endOf(jest, (_status, signal) => {
    clearInterval(looking);
    // What specs had started ends with it.
    if (signal !== null || readResults(root, kind) === undefined) signalGroup(jest, 'SIGKILL');
  });
  for (const one of SIGNALS) process.off(one, interrupt);

  const results = readResults(root, kind);
  const fail = (file, why) => ({ status: 'failed', name: 'its end', file, why });
  const deaths = late.map(([file, since]) =>
    fail(file, `it was still running ${seconds(since)} after it began, and was ended by force with all others of the project`),
  );
  const death = deathOf(status, signal, course, results);
  if (deaths.length === 0 && death !== undefined) {
    const asTold = told === undefined ? '' : ` as ${told} was sent to this run`;
    deaths.push(fail(course.files, describeDeath(`${death}${asTold} ${course}`, signal, uptime, said())));
  }
  if (deaths.length > 0) {
    writeResults(root, kind, startedAt, [...(results ?? []), ...deaths]);
    process.stderr.write(deaths.map(({ file, why }) => `\n${path.basename(root)}: ${file}: ${why.split('\n')[0]}\n`).join(''));
  }
  return told ?? (deaths.length > 0 ? 1 : status);
};
