import fs from 'node:fs';
import { rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { create } from '@bufbuild/protobuf';
import { BLOCK_SIZE, blockCount, coarsen, knownDigests } from '@holdfast/block';
import { createMemoryStore, type ObjectStore } from '@holdfast/object-store';
import { type DigestQuery, DigestQuerySchema, DigestRefusal, idBytes, idText, newId } from '@holdfast/protocol';
import { createVault, openLogWriter, openVault, registerMachine, type Vault } from '@holdfast/vault';
import fc from 'fast-check';
import { type ScriptedCut, ScriptedSource } from '../conformance/scripted-source.ts';
import { NEWEST } from './digest-file.ts';
import { createMachineDigests, type MachineDigests, type MachineDigestsOptions } from './machine-digests.ts';

const KEY = Buffer.alloc(32, 7);
const SIZE = 3 * 1024 * 1024 + 5 * BLOCK_SIZE;
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined } as unknown as MachineDigestsOptions['log'];

/** A vault in memory that counts what is read of it. */
const openSite = async () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'digests-'));
  const inner = createMemoryStore();
  let bytes = 0;
  const store: ObjectStore = new Proxy(inner, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown;
      if (typeof value !== 'function') return value;
      if (name !== 'read') return value.bind(target);
      return async (...args: Parameters<ObjectStore['read']>) => {
        const data = await inner.read(...args);
        bytes += data.length;
        return data;
      };
    },
  });
  const secret = Buffer.alloc(32, 3);
  await createVault(store, { name: 'test', keys: [{ kind: 'key-file', secret }] });
  const vault = await openVault(store, { kind: 'key-file', secret });
  const source = new ScriptedSource({ size: SIZE, codec: 'raw' });
  await registerMachine(vault, { id: source.machineId, name: 'm' });
  const writer = await openLogWriter(vault, source.machineId, {});
  const opened: MachineDigests[] = [];
  const damage: Error[] = [];
  const open = (change: Partial<MachineDigestsOptions> = {}): MachineDigests => {
    const digests = createMachineDigests({
      machineId: source.machineId,
      directory,
      key: KEY,
      vault: async (): Promise<Vault> => vault,
      isPending: () => false,
      hurry: () => undefined,
      onDamage: (reason) => damage.push(reason),
      log: silent,
      ...change,
    });
    opened.push(digests);
    return digests;
  };
  return {
    source,
    vault,
    directory,
    open,
    damage,
    bytesRead: () => bytes,
    async cut(blocks: number): Promise<{ made: ScriptedCut; content: Buffer }> {
      source.scribble(blocks);
      const made = await source.cut();
      await writer.append(made.content);
      return { made, content: Buffer.from(source.disk) };
    },
    async close() {
      await writer.close();
      for (const one of opened) await one.close();
      fs.rmSync(directory, { recursive: true });
    },
  };
};

const query = (source: ScriptedSource, { cut }: ScriptedCut, change: Partial<DigestQuery> = {}): DigestQuery =>
  create(DigestQuerySchema, {
    id: 1,
    diskId: idBytes(source.diskId),
    state: { generationId: cut.epochs[0]!.generationId, number: cut.epochs[0]!.number },
    offset: 0n,
    length: BigInt(4 * 1024 * 1024),
    ...(change as object),
  });

const digestsOf = async (digests: MachineDigests, wanted: DigestQuery): Promise<Uint8Array> => {
  const answer = await digests.answer(wanted);
  if (!('digests' in answer)) throw new Error(answer.reason);
  return answer.digests;
};

describe('the digests a process server answers with', () => {
  let site: Awaited<ReturnType<typeof openSite>>;
  beforeEach(async () => {
    site = await openSite();
  });
  afterEach(() => site.close());

  it('are those of the very state that is asked for, fine and coarse, back and forth, and cost no reading twice', async () => {
    const { source } = site;
    const cuts = [await site.cut(400), await site.cut(3), await site.cut(2)];
    source.startGeneration();
    cuts.push(await site.cut(5));
    const digests = site.open();
    for (const { made, content } of cuts) {
      const fine = await digestsOf(digests, query(source, made));
      expect(Buffer.compare(fine, knownDigests(content))).toBe(0);
      const coarse = await digestsOf(digests, query(source, made, { coarse: true }));
      expect(Buffer.compare(coarse, coarsen(fine))).toBe(0);
      const part = await digestsOf(digests, query(source, made, { offset: 8192n, length: 12288n }));
      expect(Buffer.compare(part, fine.subarray(2 * 16, 5 * 16))).toBe(0);
    }
    const [first, second] = cuts as [(typeof cuts)[0], (typeof cuts)[0]];
    await digestsOf(digests, query(source, first.made));
    const before = site.bytesRead();
    await digestsOf(digests, query(source, second.made));
    await digestsOf(digests, query(source, second.made));
    // Three blocks changed between the two; the log is looked at once.
    expect(site.bytesRead() - before).toBeLessThan(20 * 64 * 1024);
    expect(site.damage).toEqual([]);
  });

  it('go on from what is kept after a new start, also from the middle of a change', async () => {
    const { source } = site;
    const one = await site.cut(500);
    const first = site.open();
    await digestsOf(first, query(source, one.made));
    await first.close();
    const before = site.bytesRead();
    const two = await site.cut(4);
    const again = site.open();
    expect(Buffer.compare(await digestsOf(again, query(source, two.made)), knownDigests(two.content))).toBe(0);
    expect(site.bytesRead() - before).toBeLessThan(500_000);
    await again.close();

    // Killed while it was brought from the second state to a third: some of the third is there already.
    const three = await site.cut(40);
    const { openDigestFile } = await import('./digest-file.ts');
    const file = openDigestFile(site.directory, source.diskId, KEY);
    const position = ({ made }: typeof one) => ({
      generationId: idText(made.cut.epochs[0]!.generationId),
      number: Number(made.cut.epochs[0]!.number),
    });
    await file.setState({ at: position(two), towards: position(three), size: SIZE });
    file.write(0, knownDigests(three.content).subarray(0, 16 * 300));
    file.close();
    for (const { made, content } of [two, three, one])
      expect(Buffer.compare(await digestsOf(site.open(), query(source, made)), knownDigests(content))).toBe(0);
  });

  it('of a later state, where that will do; of none that is not durable; and never in place of another disk', async () => {
    const { source } = site;
    const one = await site.cut(50);
    const two = await site.cut(50);
    const digests = site.open({ isPending: (_, { number }) => number === 7 });
    const newer = await digests.answer(query(source, one.made, { orNewer: true }));
    expect(newer).toMatchObject({ state: { number: 1 } });
    expect(Buffer.compare((newer as { digests: Uint8Array }).digests, knownDigests(two.content))).toBe(0);
    const { generationId } = two.made.cut.epochs[0]!;
    for (const number of [2n, 7n])
      expect(await digests.answer(query(source, two.made, { state: { generationId, number } as never }))).toMatchObject({
        refusal: DigestRefusal.NOT_DURABLE,
      });
    expect(await digests.answer(query(source, two.made, { diskId: idBytes(newId()) }))).toMatchObject({
      refusal: DigestRefusal.NOT_DURABLE,
    });
    const broken = site.open({ vault: () => Promise.reject(new Error('no')) });
    expect(await broken.answer(query(source, one.made, { state: { generationId, number: 5n } as never }))).toMatchObject({
      refusal: DigestRefusal.UNAVAILABLE,
    });
  });

  it('are at hand without any reading where every cut was followed, through starts and resynchronizations', async () => {
    const { source } = site;
    let digests = site.open();
    const step = async (blocks: number, follows = true) => {
      const cut = await site.cut(blocks);
      if (follows) await digests.follow(cut.made.content);
      return cut;
    };
    const check = async ({ made, content }: Awaited<ReturnType<typeof step>>): Promise<number> => {
      const before = site.bytesRead();
      expect(Buffer.compare(await digestsOf(digests, query(source, made)), knownDigests(content))).toBe(0);
      return site.bytesRead() - before;
    };
    await step(500);
    await step(20);
    expect(await check(await step(30))).toBe(0);
    expect(await check(await step(3))).toBe(0);
    await digests.close();
    digests = site.open();
    expect(await check(await step(7))).toBe(0);
    // Killed: the header says less than the file holds.
    await step(5);
    digests = site.open();
    expect(await check(await step(6, false))).toBeLessThan(1_000_000);
    expect(await check(await step(4))).toBe(0);
    // One is missed: the vault tells it.
    await step(9, false);
    expect(await check(await step(8))).toBeGreaterThan(0);
    source.startGeneration();
    expect(await check(await step(2))).toBe(0);
  });

  it('are not those of a state in between, where a block was zeroes before it and is so again, after a kill', async () => {
    const { source } = site;
    const cut = async () => (await site.cut(0)).made;
    const first = site.open();
    source.scribble(1);
    await first.follow((await cut()).content);
    // The first of the blocks that nothing was ever written to.
    const block = [0, 1].find((one) => source.disk.subarray(one * BLOCK_SIZE, (one + 1) * BLOCK_SIZE).every((byte) => byte === 0))!;
    const zero = source.disk.subarray(block * BLOCK_SIZE, (block + 1) * BLOCK_SIZE);
    await first.close();
    const killed = site.open();
    while (zero.every((byte) => byte === 0)) source.scribble(100);
    await killed.follow((await cut()).content);
    source.discard(block);
    const last = await cut();
    const content = Buffer.from(source.disk);
    expect(Buffer.compare(await digestsOf(site.open(), query(source, last)), knownDigests(content))).toBe(0);
  });

  it('begin anew after a kill when the vault lost its end, though not all that was taken in since, and after a power loss', async () => {
    const { source } = site;
    const one = await site.cut(50);
    const first = site.open();
    await digestsOf(first, query(source, one.made));
    await first.close();
    const two = await site.cut(50);
    const generationId = idText(one.made.cut.epochs[0]!.generationId);
    const { openDigestFile } = await import('./digest-file.ts');
    // Up to epoch 3 it was taken in, of which the vault has none behind 1; or nobody knows how far.
    for (const followed of [3, undefined]) {
      const file = openDigestFile(site.directory, source.diskId, KEY);
      await file.setState({ at: { generationId, number: 0 }, towards: { generationId, number: NEWEST }, size: SIZE });
      if (followed !== undefined) file.follow({ generationId, number: followed });
      expect(file.followed?.number).toBe(followed);
      file.write(0, new Uint8Array(16 * 300).fill(3));
      file.close();
      const digests = site.open();
      expect(Buffer.compare(await digestsOf(digests, query(source, two.made)), knownDigests(two.content))).toBe(0);
      await digests.close();
      await rm(path.join(site.directory, `${source.diskId}.digests`));
    }
  });

  it('begin anew after a kill when the vault was rolled back to what was known', async () => {
    const { source } = site;
    const one = await site.cut(50);
    const first = site.open();
    await digestsOf(first, query(source, one.made));
    await first.close();
    const { openDigestFile } = await import('./digest-file.ts');
    const file = openDigestFile(site.directory, source.diskId, KEY);
    const generationId = idText(one.made.cut.epochs[0]!.generationId);
    await file.setState({ at: { generationId, number: 0 }, towards: { generationId, number: NEWEST }, size: SIZE });
    file.write(0, new Uint8Array(16 * 300).fill(3));
    file.close();
    expect(Buffer.compare(await digestsOf(site.open(), query(source, one.made)), knownDigests(one.content))).toBe(0);
  });

  it('let cuts pass that become durable while the vault is being read', async () => {
    const { source } = site;
    const one = await site.cut(50);
    const vault = Promise.withResolvers<Vault>();
    const digests = site.open({ vault: () => vault.promise });
    const answered = digestsOf(digests, query(source, one.made));
    await new Promise(setImmediate);
    const two = await site.cut(50);
    // Nothing of the journal may wait for that.
    await digests.follow(two.made.content);
    vault.resolve(site.vault);
    expect(Buffer.compare(await answered, knownDigests(one.content))).toBe(0);
    const three = await site.cut(3);
    await digests.follow(three.made.content);
    expect(Buffer.compare(await digestsOf(digests, query(source, three.made)), knownDigests(three.content))).toBe(0);
  });

  it('begin anew when the file is not what it was', async () => {
    const { source } = site;
    const { made, content } = await site.cut(300);
    const first = site.open();
    await digestsOf(first, query(source, made));
    await first.close();
    const file = path.join(site.directory, `${source.diskId}.digests`);
    const known = Buffer.from(knownDigests(content));
    const written = known.findIndex((byte) => byte !== 0);
    const digest = known.subarray(written - (written % 16), written - (written % 16) + 16);
    expect(fs.readFileSync(file).includes(digest)).toBe(false);
    const fd = fs.openSync(file, 'r+');
    fs.writeSync(fd, Buffer.from([1]), 0, 1, 60);
    fs.closeSync(fd);
    expect(Buffer.compare(await digestsOf(site.open(), query(source, made)), knownDigests(content))).toBe(0);
  });

  it('are refused for impossible queries, whatever they say', async () => {
    const { source } = site;
    const { made } = await site.cut(3);
    const digests = site.open();
    const number = fc.oneof(
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      fc.bigInt({ min: 0n, max: 5n }).map((n) => n * 4096n),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          diskId: fc.oneof(fc.constant(idBytes(source.diskId)), fc.uint8Array({ maxLength: 20 })),
          state: fc.option(fc.record({ generationId: fc.oneof(fc.constant(made.cut.epochs[0]!.generationId), fc.uint8Array()), number }), {
            nil: undefined,
          }),
          offset: number,
          length: number,
          coarse: fc.boolean(),
          orNewer: fc.boolean(),
        }),
        async (change) => {
          const wanted = create(DigestQuerySchema, { id: 1, ...(change as object) });
          try {
            const answer = await digests.answer(wanted);
            if ('digests' in answer) {
              const unit = wanted.coarse ? 256 : 1;
              expect(answer.digests.length).toBeLessThanOrEqual(Math.ceil(blockCount(Number(wanted.length)) / unit) * 16);
            }
          } catch (reason) {
            expect(reason).toMatchObject({ code: 'PROTOCOL_VIOLATION' });
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
