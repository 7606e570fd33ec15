// Attaches a disk to a trace, for machines that no test runner reaches: attach-main.ts DISK [SCRIPT]
// Prints one line of JSON: what the disk is, and after the shell script ran what the trace knows of it; or why it is refused.
import { execFileSync } from 'node:child_process';
import { isHoldfastError } from '@holdfast/errors';
import { newId } from '@holdfast/protocol';
import { identifyDevice } from '../device.ts';
import { createWriteTrace } from '../trace.ts';
import type { WriteSink } from '../write-trace.ts';

const [path, script] = process.argv.slice(2);
const silent: WriteSink = { issued: () => undefined, requeued: () => undefined, completed: () => undefined };

const look = (): object => {
  const device = identifyDevice(path!);
  const session = createWriteTrace({ machineId: newId(), bufferBytes: 16 * 1024 * 1024 });
  try {
    const { index, continuity } = session.attach(device, silent);
    if (script !== undefined) execFileSync('/bin/bash', ['-c', script], { stdio: 'pipe' });
    session.trace.verify(silent);
    return { bioBased: device.bioBased, continuity, dirtyBlocks: session.trace.dirty(index).size };
  } finally {
    session.destroy();
  }
};

try {
  console.log(JSON.stringify(look()));
} catch (reason) {
  if (!isHoldfastError(reason)) throw reason;
  console.log(JSON.stringify({ refused: reason.message }));
}
