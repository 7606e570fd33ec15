// What the specs of the log writer start from: a source, a vault in memory, writers whose store can be made to misbehave.
import { createMemoryStore, type FaultPlan, type ObjectStore, withFaults } from '@holdfast/object-store';
import type { MachineHistory } from '../history.ts';
import { type LogWriter, type LogWriterOptions, openLogWriter } from '../log-writer.ts';
import { readMachine } from '../read-machine.ts';
import type { Vault } from '../vault.ts';
import { compareAll } from './compare.ts';
import { fastClock } from './fast-clock.ts';
import { createTestVault, throughStore } from './open-test-vault.ts';
import { type MadeCut, SimulatedSource } from './simulated-source.ts';

export interface TestWriter {
  readonly writer: LogWriter;
  /** What goes wrong with the writer's requests from now on. */
  plan: FaultPlan;
}

export class WriterBench {
  readonly source: SimulatedSource;
  readonly store: ObjectStore;
  readonly vault: Vault;
  readonly #writers: LogWriter[] = [];

  constructor(source: SimulatedSource, store: ObjectStore, vault: Vault) {
    this.source = source;
    this.store = store;
    this.vault = vault;
  }

  static async create(sizes: readonly number[] = [64 * 1024, 50_000], store: ObjectStore = createMemoryStore()): Promise<WriterBench> {
    const source = new SimulatedSource(sizes);
    return new WriterBench(source, store, await createTestVault(source, store));
  }

  async open(options: LogWriterOptions = {}, plan: FaultPlan = () => undefined): Promise<TestWriter> {
    const holder = { plan };
    const vault = await throughStore(withFaults(this.store, (call) => holder.plan(call)));
    const writer = await openLogWriter(vault, this.source.machineId, { clock: fastClock, ...options });
    this.#writers.push(writer);
    return Object.assign(holder, { writer });
  }

  /** Cuts that change every disk. */
  async cuts(count: number): Promise<MadeCut[]> {
    const cuts: MadeCut[] = [];
    for (let round = 0; round < count; round += 1) {
      for (const disk of this.source.disks) this.source.write(disk, round % 10, 2, (round % 250) + 1);
      cuts.push(await this.source.cut());
    }
    return cuts;
  }

  read(): Promise<MachineHistory> {
    return readMachine(this.vault, this.source.machineId);
  }

  /** Reads everything back: exactly the points of these cuts, and every byte of them. */
  async expectWhole(cuts: readonly MadeCut[]): Promise<void> {
    const history = await this.read();
    expect(history.damage).toEqual([]);
    expect(history.points.map(({ id }) => id)).toEqual(cuts.map(({ pointId }) => pointId).filter((id) => id !== undefined));
    expect(await compareAll(history, cuts)).toBeUndefined();
  }

  /** Names and sizes of the machine's objects below `m/<machine>/`. */
  async objects(folder: string): Promise<{ name: string; size: number }[]> {
    const objects: { name: string; size: number }[] = [];
    for await (const { name, size } of this.store.list(`m/${this.source.machineId}/${folder}`)) objects.push({ name, size });
    return objects;
  }

  async close(): Promise<void> {
    await Promise.all(this.#writers.splice(0).map((writer) => writer.close()));
  }
}
