/**
 * A process to be killed: `traced-process.ts <options as JSON> <device>`. Opens the trace, says on one line how continuous it is, and drains
 * for ever, slowly, so that most of its time lies between a page having left the kernel and being booked.
 */
import { flushCompileCache } from 'node:module';
import { identifyDevice } from '../device.ts';
import { createWriteTrace } from '../trace.ts';
import type { WriteSink } from '../write-trace.ts';

// It never ends by itself: what was compiled is kept now, for the next one.
flushCompileCache();

const [settings, device] = process.argv.slice(2);
/**
 * Microseconds lost in every page; events after which the process kills itself in the middle of a page; both from the beginning or only
 * after having read, as fast as it can, what had gathered while it started.
 */
const { delay, fuse, later, ...options } = JSON.parse(settings!);

const wait = (microseconds: number): void => {
  const end = process.hrtime.bigint() + BigInt(microseconds) * 1000n;
  while (process.hrtime.bigint() < end);
};

let events = 0;
let armed = false;
const event = (): void => {
  if (!armed) return;
  events += 1;
  if (events === fuse) process.kill(process.pid, 'SIGKILL');
  if (events % 50 === 0) wait(delay);
};
const sink: WriteSink = { issued: event, requeued: event, completed: event };

const session = createWriteTrace(options);
const { trace } = session;
armed = !later;
const { index, continuity } = session.attach(identifyDevice(device!), sink);
session.confirm(index);
process.stdout.write(`${JSON.stringify(continuity)}\n`);
trace.drain(sink);
armed = true;

const step = (): void => {
  for (let turn = 0; turn < 10; turn += 1) {
    trace.drain(sink);
    wait(200);
  }
  setImmediate(step);
};
step();
