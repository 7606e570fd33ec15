import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { BLOCK_SIZE, knownDigests } from '@holdfast/block';
import { idBytes, idText, ManifestSchema, newId } from '@holdfast/protocol';
import { openHrl } from '../hrl/open-hrl.ts';
import type { WriteTraceSession } from '../trace/trace.ts';
import type { Sample } from './samples.ts';
import { createSimulatedMachine } from './testing/simulated-machine.ts';
import { createTraceCapture } from './trace-capture.ts';

const BLOCKS = 64;
const machineId = newId();
const manifest = create(ManifestSchema, { id: idBytes(newId()), machineId: idBytes(machineId) });

/**
 * Cuts a machine that is written to, and samples between the cuts. Tells how many blocks were sampled, and how many of them are not what the
 * vault has at that epoch, or at any later one as long as they are said to be unchanged. `blind`: without a look at what is written meanwhile.
 */
const run = async (seed: number, blind = false): Promise<{ sampled: number; wrong: number; kept: number }> => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-samples-'));
  const machine = createSimulatedMachine({ seed, disks: 1, blocks: BLOCKS, writers: 3, think: 300_000, latency: 30_000, lateShare: 0.1 });
  const hrl = await openHrl({ machineId, directory, quotaBytes: 16 << 20, segmentBytes: 1 << 20 });
  const session = {
    trace: machine.trace,
    attach: () => ({ index: 0, continuity: { kind: 'new' } }),
    sizeOf: () => 0,
    detach: () => undefined,
    confirm: () => undefined,
  } as Partial<WriteTraceSession> as WriteTraceSession;
  const limits = { rounds: 10_000, milliseconds: 30_000 };
  const pass = (steps: number): void => {
    for (let step = 0; step < steps; step += 1) machine.trace.now();
  };
  const pause = async (): Promise<void> => {
    pass(200);
    await turn();
  };
  const capture = createTraceCapture({
    machineId,
    session,
    hrl,
    bootId: newId(),
    manifest: async () => manifest,
    pause,
    limits,
  });
  const id = newId();
  const source = machine.sources[0]!;
  const device = {
    path: '/dev/sim',
    name: 'sim',
    major: 1,
    minor: 0,
    size: source.size,
    logicalBlockSize: 512,
    diskSequence: 1,
    serial: '',
  };
  await capture.attach({ id, device, source });
  await capture.copy();
  const open: Sample[] = [];
  const sums = { sampled: 0, wrong: 0, kept: 0 };
  try {
    for (let round = 0; round < 25; round += 1) {
      const { cut } = await capture.publish(await capture.propose());
      for (const held of [...hrl.committed()]) hrl.free(idText(held.cut.id));
      const vault = machine.stateAt(0, Number(cut.epochs[0]!.instant!.monotonicNanos) + 0.5);
      const digestOf = (block: number): Uint8Array => {
        const bytes = new Uint8Array(BLOCK_SIZE);
        const view = new DataView(bytes.buffer);
        for (const [index, one] of vault.subarray(block * 8, block * 8 + 8).entries()) view.setUint32(index * 512, one, true);
        return knownDigests(bytes);
      };
      for (const sample of open) {
        for (const [block, digest] of sample.unchanged() ?? []) {
          sums.kept += 1;
          if (Buffer.compare(digest, digestOf(block)) !== 0) sums.wrong += 1;
        }
      }
      if (open.length > 3) open.shift()!.close();
      const range = { offset: (round % 4) * 16 * BLOCK_SIZE, length: 16 * BLOCK_SIZE };
      // Time passes, so that there are writes since the cut.
      pass(400);
      const { data } = source.read(range.offset, range.length);
      const sample = (await capture.sample(id, range))!;
      expect(sample.state).toEqual({ generationId: idText(cut.epochs[0]!.generationId), number: Number(cut.epochs[0]!.number) });
      const blocks = blind
        ? new Map(
            Array.from({ length: 16 }, (_, n) => [
              n + range.offset / BLOCK_SIZE,
              knownDigests(data.slice(n * BLOCK_SIZE, (n + 1) * BLOCK_SIZE)),
            ]),
          )
        : sample.unchanged()!;
      for (const [block, digest] of blocks) {
        sums.sampled += 1;
        if (Buffer.compare(digest, digestOf(block)) !== 0) sums.wrong += 1;
      }
      open.push(sample);
    }
  } finally {
    await capture.close();
    await hrl.close();
    rmSync(directory, { recursive: true });
  }
  return sums;
};

describe('blocks sampled beside the cuts', () => {
  it('are what the vault has of them, and stay so as long as they are said to', async () => {
    const sums = { sampled: 0, wrong: 0, kept: 0 };
    for (let seed = 1; seed <= 6; seed += 1) {
      const { sampled, wrong, kept } = await run(seed);
      sums.sampled += sampled;
      sums.wrong += wrong;
      sums.kept += kept;
    }
    expect(sums.wrong).toBe(0);
    expect(sums.sampled).toBeGreaterThan(1000);
    expect(sums.kept).toBeGreaterThan(1000);
  });

  it('would not be without a look at what is written meanwhile', async () => {
    expect((await run(3, true)).wrong).toBeGreaterThan(0);
  });
});
