import { create } from '@bufbuild/protobuf';
import { isId, type ServerHello, ServerHelloSchema, type ServerReport, type VaultReport } from '@holdfast/protocol';
import type { ServerPresence } from '../control/presence.ts';
import { find } from '../records/kind.ts';
import type { ServedVault } from '../records/kinds.ts';
import type { StateStore } from '../state/state-store.ts';
import { bindVaults } from './bind-vaults.ts';
import { servedVaults, takeVaults } from './take-vaults.ts';
import { vaultNamed, vaults } from './vault-record.ts';

/**
 * The vaults of one process server's settings, on its stream: it calls them as its settings do, everything here refers to them by their ids. What comes from it
 * is put into our words as it comes, and what it is told is put into its own where it knows no others.
 */
export interface ServerVaults {
  /** The hello, with the vaults that the server can be given machines for: those that are in use, at the place that counts. */
  readonly hello: ServerHello;
  /** Takes up what it told. True when `hello` is another one than before. */
  take(reports: readonly VaultReport[]): Promise<boolean>;
  /** A report in our words. */
  read(report: ServerReport): ServerReport;
  /** What the server calls the vault. */
  tell(vault: string): string;
}

interface Called {
  readonly vault: string;
  /** It may be used. */
  readonly counts: boolean;
}

export const openServerVaults = async (
  store: StateStore,
  presence: ServerPresence,
  server: { readonly id: string; readonly name: string },
  greeting: ServerHello,
): Promise<ServerVaults> => {
  let called = new Map<string, Called>();
  let hello = greeting;
  /** What was taken up last, and whether something of it is not as it will be. */
  let taken: string | undefined;
  let isUnsettled = false;
  let last: readonly ServedVault[] = [];

  const callOf = async (name: string, own: ServedVault | undefined): Promise<Called> => {
    // One of whose vaults nothing but the names is known means what others call so.
    const known = own === undefined ? (greeting.vaultsById ? undefined : await vaultNamed(store, name)) : await find(store, vaults, own.id);
    if (known === undefined) return { vault: name, counts: !greeting.vaultsById };
    const { place, decommissioned } = known.value;
    const isThere = own === undefined || own.place === '' || place === '' || own.place === place;
    isUnsettled ||= !isThere;
    return { vault: known.id, counts: isThere && decommissioned === undefined };
  };

  const settle = async (served: readonly ServedVault[]): Promise<boolean> => {
    const next = new Map<string, Called>();
    isUnsettled = false;
    for (const name of greeting.vaults)
      next.set(
        name,
        await callOf(
          name,
          served.find((one) => one.name === name),
        ),
      );
    const before = hello.vaults;
    const isOther = JSON.stringify([...next]) !== JSON.stringify([...called]);
    called = next;
    if (isOther && !greeting.vaultsById) await bindVaults(store, server.id);
    hello = create(ServerHelloSchema, {
      ...greeting,
      vaults: [...new Set([...next.values()].filter(({ counts }) => counts).map(({ vault }) => vault))],
    });
    return JSON.stringify(before) !== JSON.stringify(hello.vaults);
  };

  const take = async (reports: readonly VaultReport[]): Promise<boolean> => {
    // Servers of an earlier version tell nothing; what is known of the names of their vaults may change all the same.
    if (reports.length === 0) return settle(last);
    const served = servedVaults(reports.filter(({ name }) => greeting.vaults.includes(name)));
    last = served;
    const words = JSON.stringify(served);
    if (words !== taken || isUnsettled) {
      await takeVaults(store, presence, server, served);
      taken = words;
    }
    return settle(served);
  };

  const idOf = (vault: string): string => (isId(vault) ? vault : (called.get(vault)?.vault ?? vault));
  const refer = <T extends { readonly vault: string }>(all: readonly T[]): T[] => all.map((one) => ({ ...one, vault: idOf(one.vault) }));

  await take(greeting.vaultReports);
  return {
    get hello() {
      return hello;
    },
    take,
    read: (report) => ({
      ...report,
      held: refer(report.held),
      lines: refer(report.lines),
      backups: refer(report.backups),
      recoveries: refer(report.recoveries),
      vaultsRead: report.vaultsRead.map(idOf),
    }),
    tell: (vault) => {
      if (greeting.vaultsById || !isId(vault)) return vault;
      for (const [name, one] of called) if (one.vault === vault) return name;
      return vault;
    },
  };
};
