// Attaches a disk to a trace, for machines that no test runner reaches: attach-main.ts [--silent] DISK SCRIPT…
// Issues are not told of if it is --silent. Prints one line of JSON: what the disk is, and what the trace knows of it after each of the shell scripts; or why it is refused.
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { isHoldfastError } from '@holdfast/errors';
import { newId } from '@holdfast/protocol';
import { identifyDevice } from '../device.ts';
import { createWriteTrace } from '../trace.ts';
import type { WriteSink } from '../write-trace.ts';

const options = { silent: { type: 'boolean', default: false } } as const;
const { values, positionals } = parseArgs({ options, allowPositionals: true });
const [path, ...scripts] = positionals;
const deaf: WriteSink = { issued: () => undefined, requeued: () => undefined, completed: () => undefined };

const messageOf = (reason: unknown): string => {
  if (!isHoldfastError(reason)) throw reason;
  return reason.message;
};

const look = (): object => {
  const device = identifyDevice(path!);
  const session = createWriteTrace({ machineId: newId(), bufferBytes: 16 * 1024 * 1024 });
  try {
    const { index, continuity } = session.attach(device, deaf);
    session.trace.tellIssues(!values.silent);
    const after = (script: string): object => {
      execFileSync('/bin/bash', ['-ec', script], { stdio: 'pipe' });
      try {
        session.trace.verify(deaf);
        return { dirtyBlocks: session.trace.dirty(index).size };
      } catch (reason) {
        return { lost: messageOf(reason) };
      }
    };
    return { bioBased: device.bioBased, continuity: continuity.kind, after: scripts.map(after) };
  } finally {
    session.destroy();
  }
};

try {
  console.log(JSON.stringify(look()));
} catch (reason) {
  console.log(JSON.stringify({ refused: messageOf(reason) }));
}
