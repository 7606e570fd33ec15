// Discards of a mounted disk through the whole capture, as a program for machines that no test runner reaches: discard-main.ts DISK
// Makes an XFS (300 MiB at least) on the disk, which is overwritten, with files that come and go, and cuts meanwhile. Prints one line of
// JSON: ranges and requests discarded together (of disks without requests: discards), blocks in which the last cut differs from the disk. Exit
// status 1 when there are any.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { BLOCK_SIZE } from '@holdfast/block';
import { idBytes, idText, ManifestSchema, newId } from '@holdfast/protocol';
import { applyFrames } from '../../frames/testing/apply-frames.ts';
import { openHrl } from '../../hrl/open-hrl.ts';
import { identifyDevice } from '../../trace/device.ts';
import { createWriteTrace, type WriteTraceSession } from '../../trace/trace.ts';
import type { WriteSink } from '../../trace/write-trace.ts';
import { openDiskSource } from '../open-disk-source.ts';
import { createTraceCapture } from '../trace-capture.ts';
import { withChanges } from './with-changes.ts';

const ROUNDS = 3;
const FILES = 40;
const FILE_BYTES = 64 * 1024;

const [path] = process.argv.slice(2);
const run = (program: string, ...args: string[]): void => void execFileSync(program, args, { stdio: 'pipe' });

const seen = { ranges: 0, requests: 0 };

/** Counts discards on their way to the capture. */
const counting = (session: WriteTraceSession): WriteTraceSession => {
  const count = (sink: WriteSink): WriteSink => ({
    issued: (...event) => sink.issued(...event),
    requeued: (...event) => sink.requeued(...event),
    completed: (...event) => sink.completed(...event),
    discardQueued: (...event) => {
      seen.ranges += 1;
      sink.discardQueued?.(...event);
    },
    discardEnded: (...event) => {
      seen.requests += 1;
      sink.discardEnded?.(...event);
    },
    queued: (...event) => sink.queued?.(...event),
    ended: (...event) => {
      if (event[4]) seen.requests += 1;
      sink.ended?.(...event);
    },
  });
  const { trace } = session;
  const counted = withChanges(trace, {
    drain: (sink) => trace.drain(count(sink)),
    verify: (sink) => trace.verify(count(sink)),
  });
  return withChanges(session, { trace: counted });
};

const folder = mkdtempSync(join(tmpdir(), 'holdfast-discard-'));
const machineId = newId();
const session = createWriteTrace({ machineId, bufferBytes: 16 * 1024 * 1024 });
const hrl = await openHrl({ machineId, directory: join(folder, 'hrl'), quotaBytes: 64 * 1024 * 1024, segmentBytes: 16 * 1024 * 1024 });
const manifest = create(ManifestSchema, { id: idBytes(newId()), machineId: idBytes(machineId) });
const capture = createTraceCapture({ machineId, session: counting(session), hrl, bootId: newId(), manifest: async () => manifest });
const device = identifyDevice(path!);
const source = openDiskSource(device);
const image = Buffer.alloc(device.size);

const cut = async (): Promise<void> => {
  await capture.publish(await capture.propose());
  for (const content of [...hrl.committed()]) {
    for (const index of content.cut.epochs.keys()) {
      const frames: Uint8Array[] = [];
      for await (const frame of content.frames(index)) frames.push(frame);
      await applyFrames(frames, image);
    }
    hrl.free(idText(content.cut.id));
  }
};

let differing = 0;
try {
  run('mkfs.xfs', '-q', '-K', '-f', path!);
  await capture.attach({ id: newId(), device, source });
  await capture.copy();
  const mounted = join(folder, 'mounted');
  run('mkdir', mounted);
  run('mount', '-o', 'discard', path!, mounted);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (let file = 0; file < FILES; file += 1) writeFileSync(join(mounted, `${file}`), Buffer.alloc(FILE_BYTES, round * FILES + file + 1));
    run('sync', '-f', mounted);
    await cut();
    for (let file = round % 2; file < FILES; file += 2) rmSync(join(mounted, `${file}`));
    run('sync', '-f', mounted);
    await cut();
  }
  run('fstrim', mounted);
  run('umount', mounted);
  await cut();
  for (let offset = 0; offset < device.size; offset += BLOCK_SIZE) {
    const length = Math.min(BLOCK_SIZE, device.size - offset);
    if (!image.subarray(offset, offset + length).equals(source.read(offset, length).data)) differing += 1;
  }
  console.log(JSON.stringify({ ...seen, differing }));
} finally {
  await capture.close();
  session.destroy();
  source.close();
  await hrl.close();
  rmSync(folder, { recursive: true });
}
process.exitCode = differing === 0 ? 0 : 1;
