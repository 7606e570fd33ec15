import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import path from 'node:path';

export type KeyRight = 'get' | 'wrapKey' | 'unwrapKey';

/** What the process is told. */
export type KeyVaultCommand =
  | { readonly do: 'create-version'; readonly name: string }
  | { readonly do: 'enable'; readonly name: string; readonly enabled: boolean }
  | { readonly do: 'purge'; readonly name: string }
  | { readonly do: 'grant'; readonly rights: readonly KeyRight[]; readonly toIdentity: boolean }
  | { readonly do: 'be-busy'; readonly statuses: readonly number[] };

/** Azure Key Vault on this machine, as a process of its own that speaks its REST API over HTTPS; and the identity of this machine. */
export interface FakeKeyVault {
  /** `https://127.0.0.1:PORT` */
  readonly url: string;
  /** For a program that shall come by the identity of this machine and trust the certificate. */
  readonly environment: Readonly<Record<string, string>>;
  /** Makes a key, or a new version of it. Gives the version. */
  createVersion(name: string): Promise<string>;
  enable(name: string, enabled: boolean): Promise<void>;
  purge(name: string): Promise<void>;
  /** Makes a token with these rights; `toIdentity`: the one that the machine has from now on. */
  grant(rights: readonly KeyRight[], toIdentity?: boolean): Promise<string>;
  /** The next answers are refusals with these statuses. */
  beBusy(...statuses: number[]): Promise<void>;
  stop(): Promise<void>;
}

/** `certificate` and `key`: PEM files of a certificate for 127.0.0.1. */
export const startKeyVault = async ({
  certificate,
  key,
}: {
  readonly certificate: string;
  readonly key: string;
}): Promise<FakeKeyVault> => {
  const identitySecret = randomBytes(8).toString('hex');
  const child: ChildProcess = fork(path.join(import.meta.dirname, 'serve.ts'), [certificate, key, identitySecret], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    execArgv: [],
  });
  const next = async (): Promise<Record<string, unknown>> => ((await once(child, 'message')) as [Record<string, unknown>])[0];
  const { port, identityPort } = await next();
  const tell = async (command: KeyVaultCommand): Promise<unknown> => {
    const answered = next();
    child.send(command);
    return (await answered)['result'];
  };
  return {
    url: `https://127.0.0.1:${port}`,
    environment: {
      IDENTITY_ENDPOINT: `http://127.0.0.1:${identityPort}/token`,
      IDENTITY_HEADER: identitySecret,
      NODE_EXTRA_CA_CERTS: certificate,
    },
    createVersion: async (name) => (await tell({ do: 'create-version', name })) as string,
    enable: async (name, enabled) => void (await tell({ do: 'enable', name, enabled })),
    purge: async (name) => void (await tell({ do: 'purge', name })),
    grant: async (rights, toIdentity = false) => (await tell({ do: 'grant', rights, toIdentity })) as string,
    beBusy: async (...statuses) => void (await tell({ do: 'be-busy', statuses })),
    stop: async () => {
      const ended = once(child, 'exit');
      child.kill();
      await ended;
    },
  };
};
