import { idText, isId, type VaultReport, VaultState } from '@holdfast/protocol';
import type { ServerPresence } from '../control/presence.ts';
import { takeName } from '../enrolment/member-name.ts';
import { listAll } from '../records/kind.ts';
import { type ServedVault, servers } from '../records/kinds.ts';
import { type Transaction, transact } from '../records/transaction.ts';
import { checkLine, requestInvalid } from '../request-invalid.ts';
import type { StateStore } from '../state/state-store.ts';
import { bindVaults } from './bind-vaults.ts';
import { type VaultRecord, vaults } from './vault-record.ts';

const MOST_ALIASES = 32;

/** What a process server told of its vaults, checked: of those whose ids it knows, and whose names denote what they denoted. */
export const servedVaults = (reports: readonly VaultReport[]): readonly ServedVault[] =>
  reports.flatMap(({ name, vaultId, location, place, state }) => {
    checkLine(name, 'vault', 64);
    if (vaultId.length === 0 || state === VaultState.OTHER) return [];
    if (vaultId.length !== 16) throw requestInvalid(`vault ${name}`, 'its id has not 16 bytes', 'report this');
    return [{ name, id: idText(vaultId), location: checkLine(location, 'location', 1000), place: checkLine(place, 'place', 64) }];
  });

interface Server {
  readonly id: string;
  readonly name: string;
}

/** Where the other process servers have the vault, as of their connection or the last one. */
const elsewhereOf = async (
  store: StateStore,
  server: string,
  vault: string,
): Promise<readonly (ServedVault & { readonly server: string })[]> => {
  const others: (ServedVault & { readonly server: string })[] = [];
  for await (const { id, value } of listAll(store, servers))
    for (const served of value.served ?? []) if (id !== server && served.id === vault) others.push({ ...served, server: id });
  return others;
};

const register = async (transaction: Transaction, { id: actor, name: server }: Server, served: ServedVault): Promise<void> => {
  // A name of the form of an id would be taken for the vault of that id.
  const name = await takeName(transaction, 'vault', isId(served.name) ? 'vault' : served.name, served.id);
  const { location, place } = served;
  transaction.put(vaults, served.id, { name, aliases: [served.name], location, place, registered: Date.now() });
  const text = `Vault ${name} (${served.id}) is registered: ${server} has it at ${location}`;
  transaction.event({ severity: 'information', code: 'vault-registered', text, subject: served.id, actor });
  transaction.audit({ actor, action: 'RegisterVault', subject: served.id, detail: `${name} ${location}` });
};

/**
 * Whether a vault is where this server has it, from now on: it moved, with this server, and nobody who is connected has it where it was. Else there are two of
 * it, and the one that counts goes on to count.
 */
const hasMoved = (
  presence: ServerPresence,
  { place }: VaultRecord,
  before: ServedVault | undefined,
  others: readonly { readonly place: string; readonly server: string }[],
): boolean => {
  const there = others.filter((other) => other.place === place);
  if (there.some(({ server }) => presence.get(server)?.connected === true)) return false;
  return place === '' || before?.place === place || there.length === 0;
};

const follow = async (
  transaction: Transaction,
  { id: actor, name: server }: Server,
  served: ServedVault,
  known: VaultRecord,
  moved: boolean,
): Promise<void> => {
  const aliases = known.aliases.includes(served.name) ? known.aliases : [...known.aliases, served.name].slice(-MOST_ALIASES);
  const { location, place } = moved ? served : known;
  if (aliases === known.aliases && location === known.location && place === known.place) return;
  transaction.put(vaults, served.id, { ...known, aliases, location, place });
  // One that was rebuilt out of its contents: where it is was not known.
  if (known.place === '' || (location === known.location && place === known.place)) return;
  const text =
    location === known.location
      ? `Vault ${known.name}: another copy of it is at ${location} now, says ${server}`
      : `Vault ${known.name} is at ${location} now, says ${server}; it was at ${known.location}`;
  transaction.event({ severity: 'warning', code: 'vault-moved', text, subject: served.id, actor });
  transaction.audit({ actor, action: 'MoveVault', subject: served.id, detail: `${known.name} ${known.location} ${location}` });
};

/** Takes up what a process server tells of its vaults: a new one is registered, one that is elsewhere now has moved, or there are two of it. */
export const takeVaults = async (
  store: StateStore,
  presence: ServerPresence,
  server: Server,
  served: readonly ServedVault[],
): Promise<void> => {
  const { result: isOther } = await transact(store, async (transaction) => {
    const own = await transaction.read(servers, server.id);
    if (own === undefined) return false;
    for (const one of served) {
      const known = await transaction.read(vaults, one.id);
      if (known === undefined) await register(transaction, server, one);
      else if (one.place !== '') {
        const others = await elsewhereOf(store, server.id, one.id);
        const before = own.value.served?.find(({ id }) => id === one.id);
        const isSamePlace = one.place === known.value.place;
        // Of one place that is mounted in several, the first name stays as long as somebody has it.
        const isLocationKept = others.some(({ place, location }) => place === one.place && location === known.value.location);
        const moved = isSamePlace ? !isLocationKept : hasMoved(presence, known.value, before, others);
        await follow(transaction, server, one, known.value, moved);
      }
    }
    if (JSON.stringify(own.value.served) === JSON.stringify(served)) return false;
    transaction.put(servers, server.id, { ...own.value, served });
    return true;
  });
  if (isOther) await bindVaults(store);
};
