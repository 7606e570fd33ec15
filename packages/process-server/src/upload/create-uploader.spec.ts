import { setTimeout as sleep } from 'node:timers/promises';
import { createMemoryStore, type ObjectStore } from '@holdfast/object-store';
import { type CutContent, idText, PointKind } from '@holdfast/protocol';
import { createVault, openVault } from '@holdfast/vault';
import { ScriptedSource } from '../conformance/scripted-source.ts';
import { createEvents } from '../control/events.ts';
import type { JournaledCut } from '../journal/journal.ts';
import { createUploader } from './create-uploader.ts';
import type { Uploader } from './uploader.ts';

const LONG = 3_600_000;
const silent = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, child: () => silent };
const opened: Uploader[] = [];

/** `copying`: the first cut is a piece of a copy. */
const open = async (idleInterval: number, sealInterval = 5, copying = false) => {
  const store: ObjectStore = createMemoryStore();
  const secret = Buffer.alloc(32, 3);
  await createVault(store, { name: 'test', keys: [{ kind: 'key-file', secret }] });
  const vault = await openVault(store, { kind: 'key-file', secret });
  const source = new ScriptedSource({ size: 65_536, codec: 'raw' });
  const uploader = createUploader({
    machineId: source.machineId,
    machineName: 'm',
    seenTerm: 0,
    recovered: [],
    vault: async () => vault,
    anchors: { of: () => undefined, set: () => undefined, forget: () => undefined, save: async () => undefined },
    events: createEvents(),
    log: silent as never,
    sealInterval,
    idleInterval,
    segmentSize: 1_000_000,
    longestPause: 60_000,
    inFlight: 4,
    onDurable: async () => undefined,
  });
  opened.push(uploader);
  await uploader.open({ term: 0, anchor: undefined });
  const journaled = (content: CutContent): JournaledCut =>
    Object.assign(content, {
      machineId: source.machineId,
      cutId: Buffer.from(content.cut.id).toString('hex'),
      bytes: 100,
      damage: undefined,
      release: () => undefined,
    });
  const next = async (blocks: number) => {
    source.scribble(blocks);
    return journaled((await source.cut()).content);
  };
  const slots = async (): Promise<number> => {
    let count = 0;
    for await (const { name } of store.list('m/')) if (name.includes('/log/')) count += 1;
    return count;
  };
  const settled = async (): Promise<void> => {
    while (uploader.pending().length > 0) await sleep(1);
  };
  /** The first cut begins a generation: it does not wait. */
  const first = await next(1);
  if (copying) {
    first.cut.point = undefined;
    for (const epoch of first.cut.epochs) Object.assign(epoch, { open: true, coveredThrough: epoch.diskSize });
  }
  uploader.submit(first);
  await settled();
  return { uploader, source, next, slots, settled };
};

afterEach(() => Promise.all(opened.splice(0).map((uploader) => uploader.close())));

/** Long enough for the seal interval to have passed many times. */
const aWhile = () => sleep(100);

describe('cuts in which nothing has changed', () => {
  it('are gathered, and ride along with the next change', async () => {
    const { uploader, next, slots, settled } = await open(LONG);
    const before = await slots();
    for (let count = 0; count < 12; count += 1) uploader.submit(await next(0));
    await aWhile();
    expect(uploader.pending()).toHaveLength(12);
    expect(await slots()).toBe(before);
    uploader.submit(await next(1));
    await settled();
    expect(await slots()).toBe(before + 1);
  });

  it('are one object after their time', async () => {
    const { uploader, next, slots, settled } = await open(200);
    const before = await slots();
    for (let count = 0; count < 12; count += 1) uploader.submit(await next(0));
    await settled();
    expect(await slots()).toBe(before + 1);
  });

  it('do not wait when somebody waits for them', async () => {
    const { uploader, next, settled } = await open(LONG);
    uploader.submit(await next(0));
    uploader.submit(await next(0), { awaited: true });
    await settled();
    uploader.submit(await next(0));
    await aWhile();
    expect(uploader.pending()).toHaveLength(1);
    uploader.hurry();
    await settled();
  });

  it('do not wait when they are the first point of what was copied, though nothing of it differed', async () => {
    const { uploader, next, settled } = await open(LONG, 5, true);
    uploader.submit(await next(0));
    await settled();
    uploader.submit(await next(0));
    await aWhile();
    expect(uploader.pending()).toHaveLength(1);
  });

  it('and others go at once when they are the first point of what was copied; the next one waits for its turn', async () => {
    const { uploader, next, settled } = await open(LONG, LONG, true);
    uploader.submit(await next(1));
    expect(uploader.state.uploadingBytes).toBe(100);
    await settled();
    uploader.submit(await next(1));
    await aWhile();
    expect(uploader.pending()).toHaveLength(1);
    expect(uploader.state.uploadingBytes).toBe(0);
  });

  it('go at once when they are more than that', async () => {
    const { uploader, next, settled } = await open(LONG);
    const application = await next(0);
    application.cut.point!.kind = PointKind.APPLICATION;
    uploader.submit(application);
    await settled();
  });
});

describe('small cuts', () => {
  it('do not wait when the last small object is long ago', async () => {
    const { uploader, next, settled } = await open(LONG, 50);
    await aWhile();
    uploader.submit(await next(1));
    expect(uploader.state.uploadingBytes).toBe(100);
    await settled();
  });

  it('are gathered while it is not, and become one object', async () => {
    const { uploader, next, slots, settled } = await open(LONG, 500);
    const before = await slots();
    for (let count = 0; count < 5; count += 1) uploader.submit(await next(1));
    expect(uploader.state.uploadingBytes).toBe(0);
    await settled();
    expect(await slots()).toBe(before + 1);
  });
});

describe('how the log stands', () => {
  it('tells of every generation, also those that have ended', async () => {
    const { uploader, source, next, settled } = await open(LONG);
    const generations: Uint8Array[] = [];
    for (const epochs of [2, 1]) {
      for (let count = 0; count < epochs; count += 1) {
        const cut = await next(1);
        if (count === 0) generations.push(cut.cut.epochs[0]!.generationId);
        uploader.submit(cut);
        await settled();
      }
      source.startGeneration();
    }
    const { log } = await uploader.open({ term: 0, anchor: undefined });
    expect(log).toEqual(new Map(generations.map((id, index) => [idText(id), [3, 1][index]])));
  });
});
