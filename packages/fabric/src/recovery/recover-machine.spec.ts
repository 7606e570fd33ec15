import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { HoldfastError } from '@holdfast/errors';
import { createNbdClient } from '@holdfast/nbd';
import { listHolds } from '@holdfast/vault';
import { createScriptedFabric, type ScriptedFabric } from '../testing/scripted-fabric.ts';
import { createSmallVault, type SmallVault } from '../testing/small-vault.ts';
import { discardRecovery, recoverMachine } from './recover-machine.ts';
import type { AdaptMachine, RecoveredMachine, RecoverMachineOptions } from './recovery.ts';
import { listRecoveries } from './recovery-files.ts';

const ID = 'ab'.repeat(16);

let directory: string;
let small: SmallVault;
let fabric: ScriptedFabric;
let open: RecoveredMachine[];
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'hfr-'));
  small = await createSmallVault();
  fabric = createScriptedFabric();
  open = [];
});
afterEach(async () => {
  for (const machine of open) await machine.close();
  await rm(directory, { recursive: true, force: true });
});

const recover = async (more: Partial<RecoverMachineOptions> = {}): Promise<RecoveredMachine> => {
  const { vault, machineId, pointId } = small;
  const network = { kind: 'isolated' } as const;
  const machine = await recoverMachine({ vault, machineId, pointId, fabric, operationId: ID, directory, network, ...more });
  open.push(machine);
  return machine;
};

const holds = async (): Promise<string[]> => (await listHolds(small.vault, small.machineId)).map(({ reason }) => reason);
const made = (name: string): number => fabric.calls.filter((call) => call === name).length;

/** What the machine reads at the beginning of its disk. */
const served = async (): Promise<Buffer> => {
  const { source } = fabric.made.get(ID)!.request.shape.disks[0]!;
  if (source.kind !== 'nbd') throw new Error('no NBD');
  const client = await createNbdClient({ address: { path: source.socket }, export: source.export });
  const read = Buffer.alloc(4096);
  await client.read(0, read).finally(() => client.close());
  return read;
};

it('holds the point, serves it, makes the machine and starts it', async () => {
  const steps: string[] = [];
  const machine = await recover({ onProgress: (step) => steps.push(step) });
  expect(steps).toEqual(['holding', 'opening', 'creating', 'starting', 'ready']);
  expect(await holds()).toEqual([`recovery ${ID}`]);
  expect((await served()).equals(small.content)).toBe(true);
  expect(await machine.status()).toMatchObject({ held: true, machine: { name: 'db1', state: 'running' } });
  expect(await listRecoveries(directory)).toMatchObject([{ operationId: ID, name: 'db1', attended: true, pointId: small.pointId }]);
});

it('is taken up again with the same hardware, and not started twice', async () => {
  await (await recover()).close();
  fabric.made.get(ID)!.state = 'off';
  const again = await recover({ hardware: { cpus: 7 } });
  expect([made('start'), fabric.made.get(ID)!.request.shape.cpus, await holds()]).toEqual([1, 1, [`recovery ${ID}`]]);
  await again.start();
  expect(made('start')).toBe(2);
});

it('is started again when its host went down under it, though not when it went off by itself', async () => {
  const elsewhere = async (): Promise<void> => {
    const file = path.join(directory, ID, 'recovery.json');
    const record = JSON.parse(await readFile(file, 'utf8')) as { boot?: string };
    await writeFile(file, JSON.stringify({ ...record, ...(record.boot !== undefined && { boot: 'an earlier one' }) }));
    fabric.made.get(ID)!.state = 'off';
  };
  await (await recover()).close();
  await elsewhere();
  const again = await recover();
  expect([made('start'), fabric.made.get(ID)!.state]).toEqual([2, 'running']);
  await again.stop();
  await again.close();
  await elsewhere();
  await recover();
  expect(made('start')).toBe(2);
});

it.each(['create', 'start'])('goes on where it was when `%s` failed', async (call) => {
  fabric.failNext(call);
  await expect(recover()).rejects.toMatchObject({ code: 'FABRIC_FAILED' });
  expect(await listRecoveries(directory)).toMatchObject([{ attended: false }]);
  await recover();
  expect([fabric.made.get(ID)!.state, await holds()]).toEqual(['running', [`recovery ${ID}`]]);
});

it('is stopped between its steps, and taken up', async () => {
  for (const wanted of ['holding', 'opening', 'creating', 'starting']) {
    const stop = new AbortController();
    const onProgress = (step: string): void => {
      if (step === wanted) stop.abort(new HoldfastError('INTERRUPTED', { thing: step, why: 'asked', remedy: 'again' }));
    };
    await recover({ onProgress, signal: stop.signal }).catch(({ code }) => expect(code).toBe('INTERRUPTED'));
    for (const machine of open.splice(0)) await machine.close();
  }
  await recover();
  expect([made('start'), fabric.made.get(ID)!.state, await holds()]).toEqual([1, 'running', [`recovery ${ID}`]]);
});

it('refuses two at a time, and another point under the same operation', async () => {
  await recover();
  await expect(recover()).rejects.toMatchObject({ code: 'ALREADY_RUNNING' });
  await expect(discardRecovery({ fabric, directory, operationId: ID })).rejects.toMatchObject({ code: 'ALREADY_RUNNING' });
  await open.pop()!.close();
  await expect(recover({ pointId: 'cd'.repeat(16) })).rejects.toMatchObject({ code: 'SETTING_INVALID' });
});

it('keeps nothing of a point that there is not', async () => {
  await expect(recover({ pointId: 'cd'.repeat(16) })).rejects.toMatchObject({ code: 'POINT_NOT_FOUND' });
  expect(await holds()).toEqual([]);
  await discardRecovery({ fabric, directory, operationId: ID });
  expect(await readdir(directory)).toEqual([]);
});

it('needs the vault no more when all is copied, and lets go of the point; taken up, it opens nothing', async () => {
  const machine = await recover();
  await machine.hydrate();
  expect(await holds()).toEqual([]);
  await machine.close();
  const steps: string[] = [];
  const again = await recover({ onProgress: (step) => steps.push(step) });
  expect(steps).toEqual(['creating', 'ready']);
  expect(await again.status()).toMatchObject({ held: false, machine: { disks: [{ hydrated: true }] } });
});

it('lets a machine go on that still waits for the vault when all is copied', async () => {
  const machine = await recover();
  Object.assign(fabric.made.get(ID)!, { state: 'paused', pause: 'io' });
  await machine.hydrate();
  await machine.close();
  expect(fabric.made.get(ID)!.state).toBe('running');
});

it('leaves nothing when it is discarded, open or not', async () => {
  await (await recover()).discard();
  expect([await readdir(directory), await holds(), [...fabric.made]]).toEqual([[], [], []]);
  await (await recover()).close();
  await discardRecovery({ fabric, directory, operationId: ID, vault: small.vault });
  expect([await readdir(directory), await holds(), [...fabric.made]]).toEqual([[], [], []]);
});

describe('adaptation', () => {
  const changed = Buffer.alloc(4096, 'adapted; ');

  it('writes on a layer, once; the vault stays as it is', async () => {
    let calls = 0;
    const adapt: AdaptMachine = async ({ disks }) => {
      calls += 1;
      await disks[0]!.device.write(0, changed);
      return { controller: 'sata', networkModel: 'e1000', report: ['changed the first block'] };
    };
    const machine = await recover({ adapt });
    expect((await served()).equals(changed)).toBe(true);
    expect(fabric.made.get(ID)!.request.shape).toMatchObject({ disks: [{ controller: 'sata' }], networks: [{ model: 'e1000' }] });
    expect((await machine.status()).adaptation).toEqual(['changed the first block']);
    await machine.close();
    await recover({ adapt });
    expect([calls, (await served()).equals(changed)]).toEqual([1, true]);
    await open.pop()!.discard();
    await recover();
    expect((await served()).equals(small.content)).toBe(true);
  });

  it('gives the disks as they were where it came to nothing half-way, taken up too', async () => {
    const adapt: AdaptMachine = async ({ disks }) => {
      await disks[0]!.device.write(0, changed);
      return { report: ['not adapted'], unused: true };
    };
    const machine = await recover({ adapt });
    expect((await served()).equals(small.content)).toBe(true);
    expect((await machine.status()).adaptation).toEqual(['not adapted']);
    await machine.close();
    await recover({ adapt });
    expect((await served()).equals(small.content)).toBe(true);
  });

  it('begins anew, on what was saved, when it was cut short', async () => {
    const seen: Buffer[] = [];
    const adapt: AdaptMachine = async ({ disks }) => {
      const before = Buffer.alloc(4096);
      await disks[0]!.device.read(0, before);
      seen.push(before);
      await disks[0]!.device.write(0, changed);
      if (seen.length === 1) throw new HoldfastError('IO_FAILED', { thing: 'mount', why: 'it failed', remedy: 'again' });
      return { report: [] };
    };
    await expect(recover({ adapt })).rejects.toMatchObject({ code: 'IO_FAILED' });
    await recover({ adapt });
    expect(seen.map((before) => before.equals(small.content))).toEqual([true, true]);
    expect((await served()).equals(changed)).toBe(true);
  });
});
