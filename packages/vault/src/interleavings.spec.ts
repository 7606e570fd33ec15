import { createMemoryStore, type FaultPlan, type ObjectStore, storeUnavailable, withFaults } from '@holdfast/object-store';
import { idText } from '@holdfast/protocol';
import type { Clock } from './clock.ts';
import { type LogWriter, openLogWriter } from './log-writer.ts';
import { slotName, termName } from './object-names.ts';
import { readMachine } from './read-machine.ts';
import { explore, quiet, type Scenario } from './testing/explore.ts';
import { createTestVault } from './testing/open-test-vault.ts';
import { type MadeCut, SimulatedSource } from './testing/simulated-source.ts';
import type { Vault } from './vault.ts';

/** Nobody waits, not even for the next turn: between two requests there are microtasks only. */
const clock: Clock = { now: Date.now, sleep: async () => {} };

/** Cuts of a machine that runs twice: epochs of the same numbers with other content. */
const cutsOf = async (source: SimulatedSource, fill: number): Promise<MadeCut[]> => {
  const cuts: MadeCut[] = [];
  for (let round = 0; round < 6; round += 1) {
    source.write(source.disks[0]!, round % 2, 1, fill + round);
    cuts.push(await source.cut());
  }
  return cuts;
};

const copyOf = async (base: ObjectStore): Promise<ObjectStore> => {
  const copy = createMemoryStore();
  for await (const { name } of base.list('')) await copy.create(name, await base.read(name));
  return copy;
};

describe('every order in which a store can answer two writers', () => {
  let source: SimulatedSource;
  let base: ObjectStore;
  let vault: Vault;
  let older: MadeCut[];
  let newer: MadeCut[];
  beforeAll(async () => {
    source = new SimulatedSource([8192]);
    base = createMemoryStore();
    vault = await createTestVault(source, base);
    older = await cutsOf(source.clone(), 10);
    newer = await cutsOf(source.clone(), 100);
  });

  /**
   * The older writer has `slots` cuts in flight while the newer one takes over and appends `slots - 1` behind its fence. Whatever anybody called durable
   * must be in the log.
   */
  const takeoverOf =
    (slots: number, plan: FaultPlan = () => undefined) =>
    (inner: ObjectStore): Scenario => {
      const durable: string[] = [];
      const outcomes: string[] = [];
      const append = async (actor: string, writer: LogWriter, { content, cut }: MadeCut): Promise<void> => {
        try {
          await writer.append(content);
          durable.push(idText(cut.id));
        } catch (reason) {
          outcomes.push(`${actor} ${(reason as { code: string }).code}`);
        }
      };
      let finished = false;
      const contested = [termName(source.machineId, 2), ...Array.from({ length: slots }, (_, i) => slotName(source.machineId, i + 1))];
      const takeOver = async (through: ObjectStore): Promise<void> => {
        const writer = await openLogWriter({ ...vault, store: through }, source.machineId);
        const next = (writer.heads.get(source.disks[0]!.id)?.number ?? -1) + 1;
        for (const cut of newer.slice(next, next + slots - 1)) await append('newer', writer, cut);
        finished = true;
      };
      return {
        isContested: (name) => contested.includes(name),
        begin: async (storeOf) => {
          let held: ObjectStore = inner;
          const first = await openLogWriter({ ...vault, store: lateBound(() => held) }, source.machineId, { inFlight: slots, clock });
          held = withFaults(storeOf('older'), plan);
          for (const cut of older.slice(0, slots)) {
            void append('older', first, cut);
            await quiet();
          }
          void takeOver(storeOf('newer'));
        },
        end: async () => {
          if (!finished || outcomes.some((outcome) => outcome !== 'older FENCED'))
            return `it ended with ${outcomes.join(', ') || 'somebody waiting'}`;
          const { damage, generations } = await readMachine({ ...vault, store: inner }, source.machineId);
          if (damage.length > 0) return `damage: ${damage[0]!.why}`;
          const inLog = [...generations.values()].flatMap(({ epochs }) => epochs.map(({ epoch }) => idText(epoch.cutId)));
          const lost = durable.find((id) => !inLog.includes(id));
          return lost === undefined ? undefined : `cut ${lost} was called durable and is not in the log`;
        },
      };
    };

  it('with three slots of each: nothing durable is lost', async () => {
    const { violation, orders } = await explore(takeoverOf(3), () => copyOf(base));
    expect(violation).toBeUndefined();
    expect(orders).toBeGreaterThan(500);
  }, 300_000);

  it('with two slots of each, when every first answer to the older one is lost', async () => {
    const lost = (): FaultPlan => {
      const names = new Set<string>();
      return ({ request, name }) => {
        if (request !== 'create' || names.has(name)) return undefined;
        names.add(name);
        return { after: storeUnavailable(name, 'the answer was lost on purpose') };
      };
    };
    const { violation, orders } = await explore(
      (inner) => takeoverOf(2, lost())(inner),
      () => copyOf(base),
    );
    expect(violation).toBeUndefined();
    expect(orders).toBeGreaterThan(20);
  });

  it('a store that overwrites loses what was durable, and that is seen', async () => {
    const overwriting = async (): Promise<ObjectStore> => {
      const store = await copyOf(base);
      const create = store.create.bind(store);
      store.create = async (name, content) => {
        await store.delete(name);
        await create(name, content);
      };
      return store;
    };
    expect((await explore(takeoverOf(2), overwriting)).violation).toContain('was called durable and is not in the log');
  });
});

/** A store that can be exchanged while it is used. */
const lateBound = (store: () => ObjectStore): ObjectStore => ({
  url: 'late:',
  create: (name, content) => store().create(name, content),
  read: (name, range) => store().read(name, range),
  stat: (name) => store().stat(name),
  list: (prefix, options) => store().list(prefix, options),
  delete: (name) => store().delete(name),
  close: () => store().close(),
});
