import { readFile } from 'node:fs/promises';
import type { Health, Log, Rate, Values } from '@holdfast/daemon';
import { HoldfastError } from '@holdfast/errors';
import {
  type AzureCredential,
  createAzureStore,
  createKeyVaultKey,
  credentialFromEnvironment,
  fileSecret,
  type ObjectStore,
  openStore,
  withRetry,
} from '@holdfast/object-store';
import { openVault, readKeyFile, type Vault, type VaultKey } from '@holdfast/vault';
import type { Events } from '../control/events.ts';
import type { ProcessServerSchema } from '../settings.ts';
import { createFairGate, withFairness } from './fair-store.ts';
import { withRate } from './limited-store.ts';
import { watchStore } from './watched-store.ts';

type VaultSettings = Values<ProcessServerSchema>['vaults'][string];

/** The vaults of the settings, opened when they are needed. */
export interface Vaults {
  readonly names: readonly string[];
  has(name: string): boolean;
  /** The same for all machines of the vault. Rejects with why it cannot be had; asked again, it is tried again. */
  open(name: string): Promise<Vault>;
  close(): Promise<void>;
}

export interface VaultsOptions {
  readonly settings: Values<ProcessServerSchema>['vaults'];
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
}

/** Milliseconds a store may fail before that is a matter of health: until then it is the network's ordinary weather. */
const PATIENCE = 5000;

const credentialOf = (settings: VaultSettings): AzureCredential | undefined => {
  const { azureConnectionStringFile, azureSasFile, azureAccountKeyFile, azureClientId } = settings;
  if (azureConnectionStringFile !== undefined) return { kind: 'connection-string', text: fileSecret(azureConnectionStringFile) };
  if (azureSasFile !== undefined) return { kind: 'sas', sas: fileSecret(azureSasFile) };
  if (azureAccountKeyFile !== undefined) return { kind: 'key', key: fileSecret(azureAccountKeyFile) };
  return azureClientId === undefined ? undefined : { kind: 'identity', clientId: azureClientId };
};

/** The key by which this server is a holder of the vault. Errors: SETTING_INVALID, those of a key file. */
const keyOf = async (name: string, { keyFile, keyVault, azureClientId, azureCertificateAuthorities }: VaultSettings): Promise<VaultKey> => {
  if (keyFile !== undefined && keyVault === undefined) return readKeyFile(keyFile);
  if (keyVault === undefined || keyFile !== undefined)
    throw new HoldfastError('SETTING_INVALID', {
      thing: `vaults.${name}`,
      why: keyVault === undefined ? 'it has neither a key-file nor a key-vault' : 'it has both a key-file and a key-vault',
      remedy: 'give it one of the two',
    });
  const certificateAuthorities = azureCertificateAuthorities && (await readFile(azureCertificateAuthorities, 'utf8'));
  const key = createKeyVaultKey(keyVault, {
    ...(azureClientId !== undefined && { clientId: azureClientId }),
    ...(certificateAuthorities && { certificateAuthorities }),
  });
  return { kind: 'key-vault', key };
};

/** The store without retries, so that it can be seen what each request says. */
const openBareStore = async (settings: VaultSettings): Promise<ObjectStore> => {
  const { url, azureCertificateAuthorities, azureProxy } = settings;
  if (!url.startsWith('azure:')) return openStore(url);
  return createAzureStore({
    url,
    credential: credentialOf(settings) ?? credentialFromEnvironment(process.env),
    ...(azureCertificateAuthorities && { certificateAuthorities: await readFile(azureCertificateAuthorities, 'utf8') }),
    ...(azureProxy && { proxy: azureProxy }),
  });
};

export const createVaults = ({
  settings,
  requests,
  log,
  health,
  events,
  rate,
  user,
  prepare = (store) => store,
}: VaultsOptions): Vaults => {
  const gate = createFairGate(requests);
  const opened = new Map<string, Promise<Vault>>();
  /** Why a vault could not be opened the last time. */
  const refusals = new Map<string, HoldfastError>();
  const watches = new Map<string, ReturnType<typeof watchStore>['watch']>();

  const open = async (name: string): Promise<Vault> => {
    const vault = settings[name];
    if (vault === undefined)
      throw new HoldfastError('MACHINE_NOT_ASSIGNED', {
        thing: `vault ${name}`,
        why: 'this process server has no vault of that name',
        remedy: `add vaults.${name} with its url and its key-file or key-vault to the server's settings`,
      });
    // Before anything of the store is asked; and again when the vault was given a new root key.
    const key = (): Promise<VaultKey> => keyOf(name, vault);
    await key();
    const store = await openBareStore(vault);
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
      return await openVault(vault.url.startsWith('azure:') ? withRetry(fair) : fair, key, {
        ...(vault.fingerprint !== undefined && { fingerprint: vault.fingerprint }),
      });
    } catch (reason) {
      await store.close().catch(() => undefined);
      throw reason;
    }
  };

  for (const name of Object.keys(settings)) {
    health.check(user === undefined ? `vault ${name}` : `${user}: vault ${name}`, () => {
      const watch = watches.get(name);
      const failing = watch?.problem !== undefined && Date.now() - watch.since > PATIENCE ? watch.problem : undefined;
      const problem = failing ?? refusals.get(name);
      return problem === undefined ? undefined : `${problem.thing}: ${problem.why}; ${problem.remedy}`;
    });
  }

  return {
    names: Object.keys(settings),
    has: (name) => Object.hasOwn(settings, name),
    open(name) {
      const known = opened.get(name);
      if (known !== undefined) return known;
      const opening = open(name);
      opened.set(name, opening);
      opening.then(
        () => refusals.delete(name),
        (reason: unknown) => {
          opened.delete(name);
          if (reason instanceof HoldfastError && Object.hasOwn(settings, name)) refusals.set(name, reason);
        },
      );
      return opening;
    },
    async close() {
      for (const vault of opened.values()) await vault.then((one) => one.close()).catch(() => undefined);
    },
  };
};
