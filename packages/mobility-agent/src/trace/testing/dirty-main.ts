/**
 * What the trace says of a workload, for machines that no test runner reaches: dirty-main.ts DEVICE verify|drain COMMAND. Runs the command in bash while
 * it traces the disk, and prints the blocks that changed as [first, count] pairs of JSON, on the last line. `drain` leaves out the proofs.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { newId } from '@holdfast/protocol';
import { identifyDevice } from '../device.ts';
import { createWriteTrace } from '../trace.ts';
import { createCountingSink } from './counting-sink.ts';

const [path = '', proof = 'verify', command = ''] = process.argv.slice(2);
const sink = createCountingSink();
const session = createWriteTrace({ machineId: newId(), bufferBytes: 16 * 1024 * 1024 });
const { index } = session.attach(identifyDevice(path), sink);
session.confirm(index);
const draining = setInterval(() => session.trace.drain(sink), 10);
const [status] = await once(spawn('bash', ['-euc', command], { stdio: ['ignore', 'inherit', 'inherit'] }), 'exit');
clearInterval(draining);
if (proof === 'verify') session.trace.verify(sink);
else session.trace.drain(sink);
console.log(JSON.stringify(Array.from(session.trace.dirty(index).runs(), ({ first, count }) => [first, count])));
session.destroy();
process.exitCode = Number(status);
