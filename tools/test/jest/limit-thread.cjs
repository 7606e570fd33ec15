/** The thread of limit.cjs. */
const fs = require('node:fs');
const path = require('node:path');
const { parentPort, workerData } = require('node:worker_threads');

const { limit, project, kind, root } = workerData;
const running = new Map();

parentPort.on('message', ({ begun, ended }) => {
  if (begun !== undefined) running.set(begun, performance.now());
  if (ended !== undefined) running.delete(ended);
});

/** jest's processes for files that run beside each other; none where they run in its own. */
const children = () => {
  try {
    return fs.readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
};

const kill = (pid) => {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
};

const look = () => {
  const now = performance.now();
  const late = [...running].filter(([, since]) => now - since > limit);
  if (late.length === 0) return;
  const tests = late.map(([file, since]) => {
    const why = `it was still running ${Math.round((now - since) / 1000)} s after it began, and was ended by force with all others of the project`;
    return { status: 'failed', name: 'its end', file: path.relative(root, file), why };
  });
  fs.writeSync(2, tests.map(({ file, why }) => `${file}: ${why}\n`).join(''));
  fs.mkdirSync(path.join(root, '.results'), { recursive: true });
  const content = { project, kind, startedAt: Date.now(), finishedAt: Date.now(), tests };
  fs.writeFileSync(path.join(root, '.results', `${kind}.json`), `${JSON.stringify(content, null, 1)}\n`);
  for (const child of children()) kill(child);
  kill(process.pid);
};

setInterval(look, Math.min(1000, limit / 4));
