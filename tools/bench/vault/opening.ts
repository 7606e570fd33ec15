import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { BLOCK_SIZE, createFrame, type FrameExtent, serializeFrame } from '@holdfast/block';
import { createFolderStore, forwardStore, type ObjectStore } from '@holdfast/object-store';
import { type Clock, keepMachine, openLogWriter } from '@holdfast/vault';
import type { BenchContext } from '../bench.ts';
import { createRow, type Promised, type Row } from '../row.ts';
import { type BenchVault, createBenchVault } from './bench-vault.ts';
import type { Opened } from './open-view.ts';

const run = promisify(execFile);

const DISK = 2 ** 40;
const EPOCHS = 100_000;
/** Changed in each epoch, anywhere. */
const BLOCKS = 8;
const SECONDS_APART = 5;
const OPENINGS = 5;
/** Milliseconds to the answer of a store that is far away. */
const FAR = 50;
/** Cuts after which a keeper comes by, every few hours of simulated time: what came since it was there last is young to retention. */
const KEPT_EVERY = 2000;

/** Opening the newest point of a disk of 1 TiB with 100,000 epochs in a fresh process, until its first block is read: with a keeper that came by now and then, and without any. */
export const benchOpening = async (context: BenchContext): Promise<Row[]> => [
  ...(await measure(context, 'kept', { time: { atMost: 2 }, memory: { atMost: 300 }, requests: { atMost: 30 } })),
  ...(await measure(context, 'never kept', {})),
];

interface Goals {
  readonly time?: { readonly atMost: number };
  readonly memory?: { readonly atMost: number };
  readonly requests?: { readonly atMost: number };
}

const measure = async ({ directory, note }: BenchContext, how: 'kept' | 'never kept', goals: Goals): Promise<Row[]> => {
  note(`1 TiB with 100,000 epochs, ${how}: writing it takes minutes`);
  const folder = path.join(directory, 'opening');
  const clock = { now: 0 };
  const made = await createBenchVault(folder, DISK, datedBy(clock, createFolderStore(path.join(folder, 'vault'))));
  await write(made, clock, how === 'kept');
  await made.vault.close();
  const opened = await openings(made, 0);
  const far = await openings(made, FAR);
  await rm(folder, { recursive: true });
  const row = (measured: string, unit: string, field: keyof Opened, goal: Promised['goal'], all = opened): Row =>
    createRow(
      { measure: `open 1 TiB, 100,000 epochs, ${how}: ${measured}`, unit },
      all.map((one) => one[field]),
      undefined,
      goal && { goal },
    );
  return [
    row('time', 's', 'seconds', goals.time),
    row(`time, each answer ${FAR} ms later`, 's', 'seconds', goals.time, far),
    row('memory', 'MB', 'megabytes', goals.memory),
    row('requests', '', 'requests', goals.requests),
  ];
};

const openings = async ({ directory, keyFile }: BenchVault, late: number): Promise<Opened[]> => {
  const program = path.join(import.meta.dirname, 'open-view.ts');
  const opened: Opened[] = [];
  for (let opening = 0; opening < OPENINGS; opening += 1) {
    const args = ['--conditions=@holdfast/source', program, directory, keyFile, String(late)];
    opened.push(JSON.parse((await run(process.execPath, args)).stdout));
  }
  return opened;
};

/** Of a store whose clock shows simulated time, as the source's does: by it points grow old. */
const datedBy = (clock: { readonly now: number }, store: ObjectStore): ObjectStore => {
  const times = new Map<string, number>();
  return {
    ...forwardStore(store),
    async create(name, content) {
      await store.create(name, content);
      times.set(name, clock.now);
    },
    async *list(prefix, options) {
      for await (const info of store.list(prefix, options)) yield { ...info, created: times.get(info.name) ?? info.created };
    },
  };
};

const write = async ({ vault, source }: BenchVault, time: { now: number }, kept: boolean): Promise<void> => {
  const clock: Clock = { now: () => source.time, sleep: async () => {} };
  let writer = await openLogWriter(vault, source.machineId, { inFlight: 8, clock });
  // What the blocks hold is of no account here, and compressing is left out; their places are.
  const data = Buffer.alloc(BLOCKS * BLOCK_SIZE, 1);
  const frame = await createFrame([{ offset: 0, length: data.length, kind: 'data' }], data);
  let appended: Promise<void>[] = [];
  for (let epoch = 0; epoch < EPOCHS; epoch += 1) {
    const random = createHash('sha256').update(String(epoch)).digest();
    const extents = Array.from({ length: BLOCKS }, (_, i): FrameExtent => {
      const offset = (random.readUInt32LE(i * 4) % (DISK / BLOCK_SIZE)) * BLOCK_SIZE;
      return { offset, length: BLOCK_SIZE, kind: 'data' };
    });
    source.time += SECONDS_APART * 1000;
    time.now = source.time;
    appended.push(source.cut(writer, [serializeFrame({ ...frame, extents })]));
    if (epoch % 1000 === 999) {
      await Promise.all(appended);
      appended = [];
    }
    if (kept && epoch % KEPT_EVERY === KEPT_EVERY - 1) {
      await writer.close();
      await keepMachine(vault, source.machineId, { policy: '72h', grace: 0, clock });
      writer = await openLogWriter(vault, source.machineId, { inFlight: 8, clock });
    }
  }
  await Promise.all(appended);
  await writer.close();
};
