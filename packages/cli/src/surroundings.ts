import type { Readable } from 'node:stream';
import type { ObjectStore } from '@holdfast/object-store';
import type { RemoteKey } from '@holdfast/vault';

/** Where a command writes to: a terminal, or a pipe or file that gets plain lines. */
export interface OutputStream {
  readonly isTTY?: boolean;
  /** 0 where a terminal does not say how wide it is. */
  readonly columns?: number;
  write(text: string): unknown;
}

/** All that a command sees of the world around it, so that tests can give it another one. */
export interface Surroundings {
  /** The answer, and nothing else. */
  readonly stdout: OutputStream;
  /** Progress, advice and errors. */
  readonly stderr: OutputStream;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Aborted when somebody asks the command to end. */
  readonly stop: AbortSignal;
  /** Milliseconds since 1970. */
  now(): number;
  openStore(url: string): Promise<ObjectStore>;
  /** A key that stays in Azure Key Vault. */
  openKeyVault(url: string): RemoteKey;
  /** Asks a person for a secret without showing it; absent where nobody can be asked. */
  readonly askSecret?: (question: string) => Promise<string>;
  /** Asks a person, who sees what is typed; absent where nobody can be asked. */
  readonly ask?: (question: string) => Promise<string>;
  /** Every key as it is pressed, until it is closed; absent where there is no terminal. */
  readonly openKeys?: () => { readonly stream: Readable; close(): void };
  /** All of standard input; absent where a person sits there. */
  readonly readInput?: () => Promise<string>;
  /** Called when the command ran and what it looked at is not well: it ends with status 1. */
  onFindings(): void;
}
