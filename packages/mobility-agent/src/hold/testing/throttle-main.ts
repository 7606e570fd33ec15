// Throttles for real, where control groups of version 2 are: throttle-main.ts DEVICE OPERATIONS. A program in a group of its own writes to the
// device as fast as it can; prints how many writes a second that are before, while and after it is throttled, and the steps.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { unpackDevice } from '../../trace/device.ts';
import { parseMountTable } from '../mount-table.ts';
import { findControlGroups, throttleSteps } from '../throttle.ts';
import { takeBack } from '../undo.ts';

const [device = '', operations = '0'] = process.argv.slice(2);
const { major, minor } = unpackDevice(statSync(device).rdev);
const { unified } = findControlGroups(parseMountTable(readFileSync('/proc/self/mountinfo', 'utf8')));
if (unified === undefined) throw new Error('no control groups of version 2 that limit I/O');
const group = path.join(unified, 'holdfast-writer');
mkdirSync(group);
const line = `while :; do dd if=/dev/zero of=${device} bs=4k count=256 oflag=direct 2>/dev/null; done`;
const writer = spawn('sh', ['-c', `echo $$ > ${group}/cgroup.procs; ${line}`], { stdio: 'ignore', detached: true });

const WRITES = 4;
const writes = (): number => Number(readFileSync(`/sys/dev/block/${major}:${minor}/stat`, 'utf8').trim().split(/\s+/)[WRITES]);
/** Writes a second, of three seconds, after one in which what was under way ends. */
const rate = async (): Promise<number> => {
  await sleep(1000);
  const [from, began] = [writes(), performance.now()];
  await sleep(3000);
  return Math.round(((writes() - from) * 1000) / (performance.now() - began));
};

try {
  const before = await rate();
  const steps = throttleSteps({ unified }, [`${major}:${minor}`], Number(operations));
  for (const { file, text } of steps) writeFileSync(file, text);
  const held = await rate();
  const problems: (string | undefined)[] = [];
  for (const { file, restore } of steps.toReversed()) problems.push(await takeBack({ kind: 'write', file, text: restore }));
  const after = await rate();
  const left = readFileSync(path.join(unified, 'cgroup.subtree_control'), 'utf8').trim();
  console.log(JSON.stringify({ before, held, after, steps: steps.length, problems: problems.filter((one) => one !== undefined), left }));
} finally {
  process.kill(-writer.pid!, 'SIGKILL');
  await new Promise((resolve) => writer.once('close', resolve));
  rmdirSync(group);
}
