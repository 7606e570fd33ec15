// A disk that is changed by scripts while it is captured, as a program for machines that no test runner reaches: changing-main.ts DISK SCRIPT…
// Copies the disk, then runs one shell script after the other, each followed by cuts until there is a point again. Prints one line of
// JSON: for each script the disk's size in the point, how many cuts before it were none, and blocks in which the point differs from the disk.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { BLOCK_SIZE } from '@holdfast/block';
import { isHoldfastError } from '@holdfast/errors';
import { idBytes, idText, ManifestSchema, newId } from '@holdfast/protocol';
import { applyFrames } from '../../frames/testing/apply-frames.ts';
import { openHrl } from '../../hrl/open-hrl.ts';
import { identifyDevice } from '../../trace/device.ts';
import { createWriteTrace } from '../../trace/trace.ts';
import { openDiskSource } from '../open-disk-source.ts';
import { createTraceCapture } from '../trace-capture.ts';

const MIB = 1024 * 1024;
/** Milliseconds that a point may take, ten times the usual in an emulated machine. */
const PATIENCE = 60_000;

const [path = '', ...scripts] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'holdfast-changing-'));
const machineId = newId();
const session = createWriteTrace({ machineId, bufferBytes: 16 * MIB });
const hrl = await openHrl({ machineId, directory: join(folder, 'hrl'), quotaBytes: 128 * MIB, segmentBytes: 16 * MIB });
const manifest = create(ManifestSchema, { id: idBytes(newId()), machineId: idBytes(machineId) });
const capture = createTraceCapture({ machineId, session, hrl, bootId: newId(), manifest: async () => manifest, pieceSize: MIB });
const device = identifyDevice(path);
const source = openDiskSource(device);
let image = Buffer.alloc(0);

/** Tells whether it is a point. */
const cut = async (): Promise<boolean> => {
  const { cut: made } = await capture.publish(await capture.propose());
  for (const content of [...hrl.committed()]) {
    for (const [index, { diskSize }] of content.cut.epochs.entries()) {
      const grown = Buffer.alloc(Number(diskSize));
      image.copy(grown);
      image = grown;
      const frames: Uint8Array[] = [];
      for await (const frame of content.frames(index)) frames.push(frame);
      await applyFrames(frames, image);
    }
    hrl.free(idText(content.cut.id));
  }
  return made.point !== undefined;
};

/** Cuts until there is a point; tells how many attempts made none. */
const cutPoint = async (): Promise<number> => {
  const deadline = Date.now() + PATIENCE;
  for (let none = 0; ; none += 1) {
    try {
      if (await cut()) return none;
    } catch (reason) {
      if (!isHoldfastError(reason, 'CAPTURE_NOT_CONVERGED')) throw reason;
    }
    if (Date.now() > deadline) throw new Error(`no point within ${PATIENCE} ms`);
    await sleep(10);
  }
};

const differing = (): number => {
  const now = identifyDevice(path);
  const reader = openDiskSource(now);
  try {
    let count = image.length === now.size ? 0 : 1;
    for (let at = 0; at < Math.min(image.length, now.size); at += BLOCK_SIZE) {
      const length = Math.min(BLOCK_SIZE, now.size - at);
      if (!image.subarray(at, at + length).equals(reader.read(at, length).data)) count += 1;
    }
    return count;
  } finally {
    reader.close();
  }
};

try {
  await capture.attach({ id: newId(), device, source });
  await capture.copy();
  await cutPoint();
  const after = [];
  for (const script of scripts) {
    execFileSync('/bin/bash', ['-ec', script], { stdio: 'pipe' });
    const none = await cutPoint();
    after.push({ size: image.length, none, differing: differing() });
  }
  console.log(JSON.stringify({ size: device.size, after }));
} finally {
  await capture.close();
  session.destroy();
  source.close();
  await hrl.close();
  rmSync(folder, { recursive: true });
}
