import { execFileSync } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFolderStore, forwardStore, type ObjectStore } from '@holdfast/object-store';
import { holdMachine } from './hold.ts';
import { keepMachine } from './keep-machine.ts';
import { removeHolder } from './keys/holders.ts';
import { openLogWriter } from './log-writer.ts';
import { registerMachine } from './machine.ts';
import { keySlotName, machineName, slotName } from './object-names.ts';
import { readMachine } from './read-machine.ts';
import { compareAll } from './testing/compare.ts';
import { fastClock, settled } from './testing/fast-clock.ts';
import { TEST_KEY } from './testing/open-test-vault.ts';
import { type MadeCut, SimulatedSource } from './testing/simulated-source.ts';
import { createVault, openVault } from './vault.ts';

/** Nobody on this machine has these. */
const GROUP = 61_000;
const [KEEPER, WRITER, READER] = [61_001, 61_002, 61_003];

/** Does something as an ordinary user. */
const as = async <T>(uid: number, groups: readonly number[], work: () => Promise<T>): Promise<T> => {
  process.setgroups!([...groups]);
  process.setegid!(groups[0] ?? uid);
  process.seteuid!(uid);
  try {
    return await work();
  } finally {
    process.seteuid!(0);
    process.setegid!(0);
    process.setgroups!([0]);
  }
};

describe.unless(lacks('root'), 'rights in a folder', () => {
  let parent: string;
  let root: string;
  const source = new SimulatedSource([64 * 1024]);
  const cuts: MadeCut[] = [];
  /** Requests to the store that are under way. */
  const underWay = new Set<Promise<unknown>>();
  const counted = (store: ObjectStore): ObjectStore => ({
    ...forwardStore(store),
    create: (name, content) => count(store.create(name, content)),
    read: (name, range) => count(store.read(name, range)),
    stat: (name) => count(store.stat(name)),
    delete: (name) => count(store.delete(name)),
  });
  const count = <T>(request: Promise<T>): Promise<T> => {
    underWay.add(request);
    const done = (): boolean => underWay.delete(request);
    request.then(done, done);
    return request;
  };
  const vaultAs = () => openVault(counted(createFolderStore(root)), TEST_KEY);
  const refusal = { code: 'NO_PERMISSION', message: expect.stringMatching(/EACCES|EPERM/) };

  const append = async (count: number): Promise<void> => {
    const writer = await openLogWriter(await vaultAs(), source.machineId, { clock: fastClock, checkpoint: { slots: 2 } });
    for (let round = 0; round < count; round += 1) {
      source.write(source.disks[0]!, cuts.length % 8, 2, cuts.length + 1);
      const made = await source.cut();
      await writer.append(made.content);
      cuts.push(made);
    }
    await writer.close();
    // A writer sums its log up in the background, and has to end that as who it is.
    do await settled();
    while (underWay.size > 0);
  };
  /** What docs/operations.md has a timer do; here nobody writes meanwhile, so that files need not be a minute old. */
  const handOver = (): void => {
    const theirs = ['-user', `${WRITER}`, '-exec', 'chown', '-h', `${KEEPER}:${GROUP}`, '{}', '+'];
    execFileSync('find', [root, '-name', '.incoming', '-prune', '-o', ...theirs]);
  };

  beforeAll(async () => {
    parent = await mkdtemp(join(tmpdir(), 'holdfast-rights-'));
    await chmod(parent, 0o755);
    root = join(parent, 'vault');
    await mkdir(root);
    await chown(root, KEEPER, GROUP);
    await chmod(root, 0o3775);
    await as(KEEPER, [GROUP], async () => {
      const store = createFolderStore(root);
      const vault = await createVault(store, { name: 'v', keys: [TEST_KEY, { kind: 'key-file', secret: Buffer.alloc(32, 9) }] });
      await registerMachine(vault, { id: source.machineId, name: 'db1' });
    });
    await as(WRITER, [GROUP], () => append(4));
  });
  afterAll(() => rm(parent, { recursive: true }));

  it('a writer appends, and takes away or changes nothing that is another one’s', async () => {
    await as(WRITER, [GROUP], async () => {
      const { store, slotId } = await vaultAs();
      for (const name of ['vault', keySlotName(slotId), machineName(source.machineId)]) {
        await expect(store.delete(name)).rejects.toMatchObject(refusal);
        await expect(writeFile(join(root, name), 'x')).rejects.toMatchObject({ code: 'EACCES' });
        await expect(chmod(join(root, name), 0o666)).rejects.toMatchObject({ code: 'EPERM' });
      }
      expect(await compareAll(await readMachine(await vaultAs(), source.machineId), cuts)).toBeUndefined();
    });
  });

  it('what was handed over it cannot take away either, and it appends on; before, it could', async () => {
    const own = join(root, slotName(source.machineId, 1));
    expect((await stat(own)).mode & 0o7777).toBe(0o444);
    expect((await stat(join(root, 'm', source.machineId, 'log'))).mode & 0o7777).toBe(0o3775);
    // The other side: until then it is the writer's own, and so in danger.
    await as(WRITER, [GROUP], async () => {
      const content = await readFile(own);
      await unlink(own);
      await writeFile(own, content);
    });
    handOver();
    await as(WRITER, [GROUP], async () => {
      const { store } = await vaultAs();
      await expect(store.delete(slotName(source.machineId, 1))).rejects.toMatchObject(refusal);
      for (const change of [() => writeFile(own, 'x'), () => chmod(own, 0o666), () => unlink(own)])
        await expect(change()).rejects.toMatchObject({ code: expect.stringMatching(/EACCES|EPERM/) });
      await append(2);
    });
    handOver();
    await as(WRITER, [GROUP], async () => {
      for (const folder of ['log', 'terms', 'catalogue', 'history'])
        for (const name of await readdir(join(root, 'm', source.machineId, folder)))
          await expect(unlink(join(root, 'm', source.machineId, folder, name))).rejects.toMatchObject({ code: 'EPERM' });
    });
  });

  it('a reader reads everything and writes nothing', async () => {
    await as(READER, [], async () => {
      const vault = await vaultAs();
      expect(await compareAll(await readMachine(vault, source.machineId), cuts)).toBeUndefined();
      await expect(openLogWriter(vault, source.machineId)).rejects.toMatchObject(refusal);
      await expect(registerMachine(vault, { id: 'f'.repeat(32), name: 'x' })).rejects.toMatchObject(refusal);
      await expect(holdMachine(vault, source.machineId, { reason: 'x' })).rejects.toMatchObject(refusal);
      await expect(vault.store.delete(slotName(source.machineId, 0))).rejects.toMatchObject(refusal);
      await expect(removeHolder(vault, (await vaultAs()).slotId)).rejects.toMatchObject({ code: 'SETTING_INVALID' });
    });
  });

  it('a keeper compacts and deletes what a writer wrote', async () => {
    handOver();
    await as(KEEPER, [GROUP], async () => {
      const vault = await vaultAs();
      const options = { grace: 0, minCuts: 1, unitFrames: 1, policy: { rules: [], atLeast: 1 }, thinAtOnce: 1, clock: fastClock } as const;
      // How much the first turn leaves to the second depends on how often the writers summed their log up.
      const turns = [await keepMachine(vault, source.machineId, options), await keepMachine(vault, source.machineId, options)];
      expect(turns[0]!.deleted + turns[1]!.deleted).toBeGreaterThan(0);
    });
    // And a writer goes on behind that.
    await as(WRITER, [GROUP], () => append(1));
    const { points, damage } = await readMachine(await vaultAs(), source.machineId);
    expect(damage).toEqual([]);
    expect(points.at(-1)!.id).toBe(cuts.at(-1)!.pointId);
  });
});
