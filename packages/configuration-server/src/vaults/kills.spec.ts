import { create } from '@bufbuild/protobuf';
import { newId, ProtectionSchema, ProtectionState } from '@holdfast/protocol';
import { find, listAll } from '../records/kind.ts';
import { assignments, machines, names, policyUses, protections, servers } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { createMemoryStore } from '../state/memory-store.ts';
import type { StateStore } from '../state/state-store.ts';
import { dying } from '../testing/job-program.ts';
import { bindVaults } from './bind-vaults.ts';
import { endForcedProtections } from './decommission.ts';
import { vaultName, vaults } from './vault-record.ts';

const [OFFICE, POLICY, SERVER] = [newId(), newId(), newId()];
const COUNT = 3;
const CALLED = { name: 'office', id: OFFICE };

/** Machines that are protected into the vault that everybody calls "office", or by what it is. */
const site = async (
  vault: string,
  forced = false,
  served: { readonly name: string; readonly id: string }[] = [CALLED],
): Promise<StateStore> => {
  const store = createMemoryStore({ events: 100, audit: 100, changes: 1000 });
  await transact(store, async (transaction) => {
    for (let index = 0; index < COUNT; index += 1) {
      const [machine, protection] = [newId(), newId()];
      transaction.put(machines, machine, { name: `m${index}`, agentVersion: '', lastSeen: 0, protectionId: protection });
      const state = ProtectionState.PROTECTED;
      transaction.put(
        protections,
        protection,
        create(ProtectionSchema, { machineId: machine, vault, policyId: POLICY, processServerId: SERVER, state }),
      );
      transaction.put(assignments, `${SERVER}/${machine}`, { vault, machineName: `m${index}` });
    }
    transaction.put(policyUses, POLICY, { protections: COUNT });
    transaction.put(servers, SERVER, {
      ...{ name: 'ps', role: 'process-server', softwareVersion: '', lastSeen: 0, endpoints: [], vaults: ['office'] },
      served: served.map((one) => ({ ...one, location: '', place: '' })),
    });
    transaction.put(names, 'vault/office', { id: OFFICE });
    const record = { name: 'office', aliases: ['office'], location: '', place: '', registered: 1 };
    transaction.put(vaults, OFFICE, forced ? { ...record, decommissioned: { at: 1, by: 'me', forced: true } } : record);
  });
  return store;
};

const referring = async (store: StateStore): Promise<Set<string>> => {
  const all = new Set<string>();
  for await (const { value } of listAll(store, protections)) all.add(value.vault);
  for await (const { value } of listAll(store, assignments)) all.add(value.vault);
  return all;
};

/** Kills `work` after each of its commits in turn, and does it again. */
const killedAnywhere = async (
  make: () => Promise<StateStore>,
  work: (store: StateStore) => Promise<unknown>,
  look: (store: StateStore) => Promise<void>,
) => {
  let deaths = 0;
  for (let death = 0, died = true; died; death += 1) {
    const store = await make();
    died = await work(dying(store, death, 'after')).then(
      () => false,
      () => true,
    );
    if (died) deaths += 1;
    await work(store);
    await look(store);
  }
  return deaths;
};

describe('a server that is killed between any two commits', () => {
  it('binds what referred to a vault by its name to what it is', async () => {
    expect(await referring(await site('office'))).toEqual(new Set(['office']));
    const deaths = await killedAnywhere(
      () => site('office'),
      (store) => bindVaults(store),
      async (store) => {
        expect(await referring(store)).toEqual(new Set([OFFICE]));
        expect(await bindVaults(store)).toBe(0);
      },
    );
    expect(deaths).toBe(2 * COUNT);
    // Of another name nothing is known.
    const store = await site('attic');
    expect(await bindVaults(store)).toBe(0);
    expect(await referring(store)).toEqual(new Set(['attic']));
    expect(await vaultName(store, 'attic')).toBe('attic');
  });

  it('binds to what the settings of the own process server call so, and waits until that is known', async () => {
    const other = newId();
    const elsewhere = await site('office', false, [{ name: 'office', id: other }]);
    expect(await bindVaults(elsewhere)).toBe(2 * COUNT);
    expect(await referring(elsewhere)).toEqual(new Set([other]));
    const silent = await site('office', false, []);
    expect(await bindVaults(silent)).toBe(0);
    expect(await referring(silent)).toEqual(new Set(['office']));
    // One of an earlier version will never tell.
    expect(await bindVaults(silent, SERVER)).toBe(2 * COUNT);
    expect(await referring(silent)).toEqual(new Set([OFFICE]));
  });

  it('ends all protections of a vault that was given up by force, each once', async () => {
    const deaths = await killedAnywhere(
      () => site(OFFICE, true),
      endForcedProtections,
      async (store) => {
        expect(await referring(store)).toEqual(new Set());
        expect((await find(store, policyUses, POLICY))?.value.protections).toBe(0);
        expect((await store.events({ limit: 100 })).map(({ code }) => code)).toEqual([
          'protection-ended',
          'protection-ended',
          'protection-ended',
        ]);
      },
    );
    expect(deaths).toBe(COUNT);
    // The control: of one that was given up otherwise, or not at all, nothing ends.
    const store = await site(OFFICE);
    expect(await endForcedProtections(store)).toEqual([]);
    expect(await referring(store)).toEqual(new Set([OFFICE]));
  });
});
