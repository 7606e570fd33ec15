// Attaches a disk to a trace, for machines that no test runner reaches: attach-main.ts [--silent] DISK SCRIPT… Issues are not told of if it is --silent.
// Prints one line of JSON: what the disk is, what the trace knows of it after each of the shell scripts, and what it is for who opens it anew; or why it
// is refused.
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { isHoldfastError } from '@holdfast/errors';
import { newId } from '@holdfast/protocol';
import { identifyDevice } from '../device.ts';
import { createWriteTrace } from '../trace.ts';
import type { WriteSink } from '../write-trace.ts';

const { values, positionals } = parseArgs({ options: { silent: { type: 'boolean', default: false } }, allowPositionals: true });
const [path, ...scripts] = positionals;
const deaf: WriteSink = { issued: () => undefined, requeued: () => undefined, completed: () => undefined };

const messageOf = (reason: unknown): string => {
  if (!isHoldfastError(reason)) throw reason;
  return reason.message;
};

const look = (): object => {
  const device = identifyDevice(path!);
  const options = { machineId: newId(), bufferBytes: 16 * 1024 * 1024 };
  let session = createWriteTrace(options);
  try {
    const { index, continuity } = session.attach(device, deaf);
    session.confirm(index);
    session.trace.tellIssues(!values.silent);
    const after = scripts.map((script): object => {
      execFileSync('/bin/bash', ['-ec', script], { stdio: 'pipe' });
      try {
        session.trace.verify(deaf);
        return { dirtyBlocks: session.trace.dirty(index).size };
      } catch (reason) {
        return { lost: messageOf(reason) };
      }
    });
    session.trace.close();
    session = createWriteTrace(options);
    const again = session.attach(device, deaf).continuity;
    session.detach(index);
    return { bioBased: device.bioBased, continuity: continuity.kind, after, again };
  } finally {
    session.destroy();
  }
};

try {
  console.log(JSON.stringify(look()));
} catch (reason) {
  console.log(JSON.stringify({ refused: messageOf(reason) }));
}
