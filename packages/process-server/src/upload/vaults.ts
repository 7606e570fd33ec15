import type { Health, Log, Rate, Values } from '@holdfast/daemon';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { type ObjectStore, withRetry } from '@holdfast/object-store';
import { isId } from '@holdfast/protocol';
import { openVault, type Vault, type VaultKey } from '@holdfast/vault';
import type { Events } from '../control/events.ts';
import type { ProcessServerSchema } from '../settings.ts';
import { endableStore } from './endable-store.ts';
import { createFairGate, withFairness } from './fair-store.ts';
import { withRate } from './limited-store.ts';
import { createPlaces, locationOf, type Places } from './place-of.ts';
import type { VaultIdentities } from './vault-identities.ts';
import { keyOf, openBareStore } from './vault-ways.ts';
import { watchStore } from './watched-store.ts';

/** How a vault of the settings is. */
export interface VaultStanding {
  readonly name: string;
  /** Undefined while it was never opened. */
  readonly id: string | undefined;
  readonly location: string;
  readonly place: string;
  /** The vault that had the name, and that machines here are bound to; the one that has it now is not opened by its name. */
  readonly previous: string | undefined;
  /** Why it cannot be used now. */
  readonly problem: HoldfastError | undefined;
  readonly isOpen: boolean;
  /** Milliseconds since 1970 of its last answer to a look; 0: none yet. */
  readonly looked: number;
}

/** The vaults of the settings, opened when they are needed; each is meant by its id, or by its name in the settings. */
export interface Vaults {
  readonly names: readonly string[];
  /** Whether it is one of the settings, as far as that is known without opening any. */
  has(vault: string): boolean;
  /** False when both are known, and different. */
  maySame(one: string, other: string): boolean;
  /** The same for all machines of the vault. Rejects with why it cannot be had; asked again, it is tried again. VAULT_NOT_HELD: no name of the settings denotes it. */
  open(vault: string): Promise<Vault>;
  /** Opens what is not open, and asks what is open whether it answers. */
  look(): Promise<void>;
  standings(): readonly VaultStanding[];
  close(): Promise<void>;
}

export interface VaultsOptions {
  readonly settings: Values<ProcessServerSchema>['vaults'];
  readonly identities: VaultIdentities;
  /** Objects of all machines under way at the same time. */
  readonly requests: number;
  readonly log: Log;
  readonly health: Health;
  readonly events: Events;
  /** Below which objects are created; as fast as they can be unless given. */
  readonly rate?: Rate;
  /** Who uses them, unless it is the uploader: for people. */
  readonly user?: string;
  /** What to put around each store. */
  readonly prepare?: (store: ObjectStore) => ObjectStore;
  readonly places?: Places;
}

/** Milliseconds a store may fail before that is a matter of health: until then it is the network's ordinary weather. */
const PATIENCE = 5000;

const notHeld = (thing: string, why: string): HoldfastError =>
  new HoldfastError('VAULT_NOT_HELD', {
    thing,
    why,
    remedy:
      'name the place where it is in the settings `vaults` of this server, under whatever name; see `holdfast vault list` and `holdfast vault inspect`',
  });

const replaced = (name: string, id: string, previous: string): HoldfastError =>
  notHeld(
    `vault ${name}`,
    `the settings call vault ${id} so now, and machines here are bound to vault ${previous}, which had the name: nothing is written there`,
  );

export const createVaults = ({
  settings,
  identities,
  requests,
  log,
  health,
  events,
  rate,
  user,
  prepare = (store) => store,
  places = createPlaces(),
}: VaultsOptions): Vaults => {
  const gate = createFairGate(requests);
  const opened = new Map<string, Promise<Vault>>();
  /** Those that are open, of `opened`. */
  const there = new Map<string, Vault>();
  const looked = new Map<string, number>();
  /** Why a vault could not be opened the last time. */
  const refusals = new Map<string, HoldfastError>();
  const watches = new Map<string, ReturnType<typeof watchStore>['watch']>();
  /** Have nothing more reach the store of a vault as it was opened. */
  const ends = new Map<string, () => void>();
  const names = Object.keys(settings);

  const openAnew = async (name: string): Promise<Vault> => {
    const vault = settings[name]!;
    // Before anything of the store is asked; and again when the vault was given a new root key.
    const key = (): Promise<VaultKey> => keyOf(name, vault);
    await key();
    const { store, end } = endableStore(await openBareStore(vault));
    ends.set(name, end);
    const { store: watched, watch } = watchStore(store, (problem) => {
      if (problem === undefined) log.info('The vault answers again', { vault: name, ...(user && { user }) });
      else {
        log.warn('The vault does not work', { vault: name, ...(user && { user }), error: problem });
        events.add(problem.code, `vault ${name}: ${problem.thing}: ${problem.why}`);
      }
    });
    watches.set(name, watch);
    const fair = prepare(withFairness(rate === undefined ? watched : withRate(watched, rate), gate));
    try {
      const one = await openVault(vault.url.startsWith('azure:') ? withRetry(fair) : fair, key, {
        ...(vault.fingerprint !== undefined && { fingerprint: vault.fingerprint }),
      });
      const place = await places.of(vault.url, watched, identities.of(name)?.place);
      await identities.learn(name, { id: one.id, location: locationOf(vault.url), place });
      return one;
    } catch (reason) {
      await store.close().catch(() => undefined);
      throw reason;
    }
  };

  /** Whoever has it finds it closed, and opens what is there now, if that is the same one. */
  const drop = async (name: string, vault: Vault): Promise<void> => {
    if (there.get(name) !== vault) return;
    opened.delete(name);
    there.delete(name);
    ends.get(name)?.();
    await vault.close();
  };

  /** Whatever vault has the name. */
  const openNamed = (name: string): Promise<Vault> => {
    const open = there.get(name);
    // Another user of the vaults found another one there.
    if (open !== undefined && identities.of(name)?.id !== open.id)
      drop(name, open).catch((error: unknown) => log.debug('A vault could not be closed', { vault: name, error }));
    const known = opened.get(name);
    if (known !== undefined) return known;
    const opening = openAnew(name);
    opened.set(name, opening);
    opening.then(
      (vault) => {
        refusals.delete(name);
        there.set(name, vault);
        looked.set(name, Date.now());
      },
      (reason: unknown) => {
        opened.delete(name);
        refusals.set(name, fromSystem(reason, `vault ${name}`));
      },
    );
    return opening;
  };

  /** One by its name in the settings: not when that denotes another vault than the one that machines here are bound to. */
  const openByName = async (name: string): Promise<Vault> => {
    if (!Object.hasOwn(settings, name))
      throw notHeld(`vault ${name}`, 'this process server has no vault of that name, or id, in its settings');
    const vault = await openNamed(name);
    const previous = identities.previousOf(name);
    if (previous !== undefined) throw replaced(name, vault.id, previous);
    return vault;
  };

  const openById = async (id: string): Promise<Vault> => {
    const known = identities.nameOf(id);
    const wanted = known === undefined ? names.filter((name) => identities.of(name) === undefined) : [known];
    const failures: string[] = [];
    for (const name of wanted)
      try {
        const vault = await openNamed(name);
        if (vault.id === id) return vault;
      } catch (reason) {
        if (known !== undefined) throw reason;
        failures.push(`${name} could not be opened: ${fromSystem(reason, name).message}`);
      }
    const others = names.flatMap((name) => (identities.previousOf(name) === id ? [`${name} denotes another vault now`] : []));
    const why = [`no vault of this process server's settings is it`, ...others, ...failures].join('; ');
    throw notHeld(`vault ${id}`, why.slice(0, 1000));
  };

  const problemOf = (name: string): HoldfastError | undefined => {
    const watch = watches.get(name);
    const failing = watch?.problem !== undefined && Date.now() - watch.since > PATIENCE ? watch.problem : undefined;
    return failing ?? refusals.get(name);
  };

  for (const name of names)
    health.check(user === undefined ? `vault ${name}` : `${user}: vault ${name}`, () => {
      const problem = problemOf(name);
      return problem === undefined ? undefined : `${problem.thing}: ${problem.why}; ${problem.remedy}`;
    });

  const lookAt = async (name: string): Promise<void> => {
    try {
      const before = there.has(name);
      const vault = await openNamed(name);
      const known = identities.of(name)?.place;
      const place = before ? await places.of(settings[name]!.url, vault.store, known) : known;
      if (place !== known) {
        log.warn('Something else is where the vault was: it is opened anew', { vault: name });
        await drop(name, vault);
        await openNamed(name);
      }
      looked.set(name, Date.now());
    } catch (error) {
      log.debug('A vault does not answer; it is tried again', { vault: name, error });
    }
  };

  return {
    names,
    has: (vault) => identities.nameOf(vault) !== undefined,
    maySame(one, other) {
      const idOf = (vault: string): string | undefined => identities.of(vault)?.id ?? (isId(vault) ? vault : undefined);
      const ids = [idOf(one), idOf(other)];
      if (one === other || ids.includes(undefined)) return one === other || isId(one) !== isId(other);
      return ids[0] === ids[1];
    },
    open: (vault) => (isId(vault) ? openById(vault) : openByName(vault)),
    async look() {
      await Promise.all(names.map(lookAt));
    },
    standings: () =>
      names.map((name) => {
        const known = identities.of(name);
        const previous = identities.previousOf(name);
        const problem = previous === undefined ? problemOf(name) : replaced(name, known?.id ?? '', previous);
        return {
          name,
          id: known?.id,
          location: locationOf(settings[name]!.url),
          place: known?.place ?? '',
          previous,
          problem,
          isOpen: there.has(name),
          looked: looked.get(name) ?? 0,
        };
      }),
    async close() {
      for (const vault of opened.values()) await vault.then((one) => one.close()).catch(() => undefined);
    },
  };
};
