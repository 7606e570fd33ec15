/**
 * A capture to be killed, again and again: killed-capture-main.ts <settings as JSON>. Says on one line how continuous its disk is, then cuts for
 * ever, one line for each point, which it also judges. What is in its log it applies to an image in a file before it frees it: killed in between, the
 * next process does it again, and the image is the vault that all of them share.
 */
import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { create } from '@bufbuild/protobuf';
import { openFrame, parseFrame } from '@holdfast/block';
import { isHoldfastError } from '@holdfast/errors';
import { type CutContent, idBytes, idText, ManifestSchema } from '@holdfast/protocol';
import { openHrl } from '../../hrl/open-hrl.ts';
import { identifyDevice } from '../../trace/device.ts';
import { createWriteTrace } from '../../trace/trace.ts';
import { openDiskSource } from '../open-disk-source.ts';
import { createTraceCapture } from '../trace-capture.ts';
import { judge } from './prefix-workload.ts';

export interface KilledCaptureSettings {
  readonly machineId: string;
  readonly diskId: string;
  readonly path: string;
  /** In a tmpfs. */
  readonly memoryDirectory: string;
  readonly logDirectory: string;
  readonly image: string;
  /** Where the writers count what was acknowledged. */
  readonly acknowledged: string;
  readonly writers: number;
  /** Bytes of the disk that they write to. */
  readonly judged: number;
  readonly checkConflicts: boolean;
  /** Ends after the first point. */
  readonly once: boolean;
}

const MIB = 1024 * 1024;
const settings = JSON.parse(process.argv[2]!) as KilledCaptureSettings;
const { machineId, diskId, writers } = settings;

const say = (message: unknown): void => void writeSync(1, `${JSON.stringify(message)}\n`);
const readAcknowledged = (): number[] => {
  const bytes = readFileSync(settings.acknowledged);
  return Array.from({ length: writers }, (_, writer) => Number(bytes.readBigUInt64LE(writer * 8)));
};

const session = createWriteTrace({
  machineId,
  stateName: `holdfast-kills-${machineId}`,
  memoryDirectory: settings.memoryDirectory,
  bufferBytes: 256 * MIB,
});
const hrl = await openHrl({
  machineId,
  directory: `${settings.logDirectory}/cold`,
  // As much as a copy on a busy machine may need to catch up: what it commits is freed when it is over.
  quotaBytes: 4096 * MIB,
  hot: { directory: `${settings.logDirectory}/hot`, bytes: 512 * MIB },
});
const manifest = create(ManifestSchema, { id: idBytes(machineId), machineId: idBytes(machineId) });
const capture = createTraceCapture({
  machineId,
  session,
  hrl,
  bootId: machineId,
  manifest: async () => manifest,
  checkConflicts: settings.checkConflicts,
  // With 20,000 writes a second a busy machine needs that; what is given up has to be read again.
  limits: { rounds: 400, milliseconds: 60_000 },
});

const image = openSync(settings.image, 'r+');
const apply = async (content: CutContent): Promise<void> => {
  for await (const bytes of content.frames(0)) {
    const frame = parseFrame(bytes);
    const data = await openFrame(frame);
    let at = 0;
    for (const { offset, length, kind } of frame.extents) {
      if (kind === 'zero') writeSync(image, Buffer.alloc(length), 0, length, offset);
      if (kind !== 'data') continue;
      writeSync(image, data, at, length, offset);
      at += length;
    }
  }
};

const area = Buffer.alloc(settings.judged);
/** Applies and judges what is in the log; the last point of it holds at least what was acknowledged. */
const takeOver = async (acknowledged: readonly number[]): Promise<void> => {
  const contents = [...hrl.committed()];
  for (const [index, content] of contents.entries()) {
    await apply(content);
    hrl.free(idText(content.cut.id));
    if (content.cut.point === undefined) continue;
    readSync(image, area, 0, area.length, 0);
    const verdict = judge([area], writers, index === contents.length - 1 ? acknowledged : acknowledged.map(() => 0), 1);
    const changed = content.cut.epochs.reduce((sum, { dataBytes, zeroBytes }) => sum + Number(dataBytes + zeroBytes), 0);
    say({ point: idText(content.cut.id), changed, ...verdict });
  }
};

const device = identifyDevice(settings.path);
const continuity = await capture.attach({ id: diskId, device, source: openDiskSource(device) });
say({ continuity: continuity.kind, resynchronizing: capture.resynchronizing.length, left: hrl.committed().length });
const none = Array.from({ length: writers }, () => 0);
await takeOver(none);
await capture.copy({ onProgress: () => undefined });
await takeOver(none);
for (;;) {
  const acknowledged = readAcknowledged();
  try {
    await capture.publish(await capture.propose());
    await takeOver(acknowledged);
    if (settings.once) break;
  } catch (reason) {
    if (!isHoldfastError(reason, 'CAPTURE_NOT_CONVERGED')) throw reason;
    say({ skipped: reason.why });
  }
}
closeSync(image);
await capture.close();
session.trace.close();
await hrl.close();
