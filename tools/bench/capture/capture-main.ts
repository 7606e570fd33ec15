// A capture alone, as a process that the bench drives: capture-main.ts DIRECTORY DEVICE [follow-only]. It copies the disk, unless it
// is only to follow its writes, tells how long that took, then cuts whenever it is told to. What it cuts is freed at once, as if the vault had it.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { create } from '@bufbuild/protobuf';
import { isHoldfastError } from '@holdfast/errors';
import { createTraceCapture, createWriteTrace, type DiskSource, identifyDevice, openDiskSource, openHrl } from '@holdfast/mobility-agent';
import { idBytes, idText, ManifestSchema, newId } from '@holdfast/protocol';
import { type CaptureAnswer, type CaptureOrder, FOLLOW_ONLY } from './capture-process.ts';
import { followedDevice } from './followed-device.ts';

const MIB = 1024 * 1024;
const [directory = '', device = '', way] = process.argv.slice(2);
const machineId = newId();
const hrl = await openHrl({
  machineId,
  directory: path.join(directory, 'log'),
  quotaBytes: 1024 * MIB,
  hot: { directory: path.join(directory, 'hot'), bytes: 1024 * MIB },
});
const session = createWriteTrace({ machineId, bufferBytes: 32 * MIB });
const manifest = create(ManifestSchema, { id: idBytes(newId()), machineId: idBytes(machineId) });
const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim().replaceAll('-', '');
const capture = createTraceCapture({ machineId, session, hrl, bootId, manifest: async () => manifest });

const answer = (message: CaptureAnswer): void => void process.send?.(message);

const freeAll = (): number => {
  let bytes = 0;
  for (const { cut } of [...hrl.committed()]) {
    for (const { dataBytes, zeroBytes } of cut.epochs) bytes += Number(dataBytes + zeroBytes);
    hrl.free(idText(cut.id));
  }
  return bytes;
};

let readBytes = 0;
const counted = (source: DiskSource): DiskSource => ({
  ...source,
  read: (offset, length) => {
    readBytes += length;
    return source.read(offset, length);
  },
  readTogether: (extents) => {
    for (const { length } of extents) readBytes += length;
    return source.readTogether!(extents);
  },
});

const cut = async (): Promise<CaptureAnswer> => {
  const began = performance.now();
  readBytes = 0;
  try {
    const proposal = await capture.propose();
    await capture.publish(proposal);
    const milliseconds = performance.now() - began;
    return { type: 'cut', milliseconds, rounds: proposal.rounds, readBytes, changedBytes: freeAll() };
  } catch (reason) {
    if (isHoldfastError(reason, 'CONTINUITY_LOST')) return { type: 'lost', reason: reason.message };
    if (!isHoldfastError(reason, 'CAPTURE_NOT_CONVERGED')) throw reason;
    return { type: 'skipped', milliseconds: performance.now() - began, readBytes };
  }
};

/** An agent would resynchronize. Here whoever measures must know that from then on nothing was traced. */
let lost: string | undefined;
capture.failure.catch((reason: unknown) => {
  lost = reason instanceof Error ? reason.message : String(reason);
});

const end = async (): Promise<void> => {
  answer({ type: 'ended', lost });
  await capture.close();
  session.destroy();
  await hrl.close();
  process.disconnect();
};

/** Of a disk whose writes are followed and that nobody may read: the one this machine runs from. */
const unread = (size: number): DiskSource => ({
  size,
  readLimit: MIB,
  read: () => {
    throw new Error(`${device} was to be followed only`);
  },
  excluded: () => [],
  grown: unread,
});

const copies = way !== FOLLOW_ONLY;
const traced = copies ? identifyDevice(device) : followedDevice(device);
await capture.attach({ id: newId(), device: traced, source: copies ? counted(openDiskSource(traced)) : unread(traced.size) });
const began = performance.now();
if (copies) await capture.copy({ onProgress: () => void freeAll() });
freeAll();
const copyMilliseconds = performance.now() - began;
if (copies) await cut();
process.on('message', async (order: CaptureOrder) => {
  if (order === 'cut') answer(await cut());
  else await end();
});
process.once('disconnect', () => process.exit());
answer({ type: 'ready', copyMilliseconds });
