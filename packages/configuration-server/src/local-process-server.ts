import { spawn } from 'node:child_process';
import path from 'node:path';
import { type ProgramContext, type SupervisedProgram, supervise } from '@holdfast/daemon';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { publicKeyFingerprint } from '@holdfast/protocol';
import { readIfPresent } from './authority/authority-files.ts';
import { hashOf, newSecret, secretId } from './enrolment/tokens.ts';
import { find } from './records/kind.ts';
import { members, tokens } from './records/kinds.ts';
import { transact } from './records/transaction.ts';
import type { Settings } from './settings.ts';
import type { StateStore } from './state/state-store.ts';

export interface LocalProcessServerOptions {
  readonly context: ProgramContext<Settings>;
  readonly store: StateStore;
  /** Port of this server, and its authority's fingerprint. */
  readonly port: number;
  readonly fingerprint: string;
}

/** Milliseconds the token it joins by is good. */
const TOKEN_LIFETIME = 5 * 60_000;
/** Characters of what a program says that are kept for an error. */
const LONGEST = 2000;

/** Fingerprints of the authorities that an identity believes; none where that cannot be read. */
const believedBy = (identity: string): string[] => {
  try {
    const { authorities } = JSON.parse(identity) as { readonly authorities: string };
    return (authorities.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map(publicKeyFingerprint);
  } catch {
    return [];
  }
};

/**
 * True when the process server below this directory belongs to this installation, not to none or to one that was here before, and believes its authority,
 * which may have been replaced at once since.
 */
const hasJoined = async (store: StateStore, stateDirectory: string, fingerprint: string): Promise<boolean> => {
  const identity = (await readIfPresent(path.join(stateDirectory, 'identity', 'identity.json'))) ?? '';
  const [, id] = /"id": *"([0-9a-f]{32})"/.exec(identity) ?? [];
  return id !== undefined && believedBy(identity).includes(fingerprint) && (await find(store, members, id)) !== undefined;
};

/** Runs a program to its end with something on its standard input; rejects with what it said when it fails. */
const runWith = (command: string, words: readonly string[], input: string, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, words, { stdio: ['pipe', 'pipe', 'pipe'], signal });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data: Buffer) => (said = (said + data.toString()).slice(-LONGEST)));
    child.once('error', (reason) => reject(fromSystem(reason, command)));
    child.once('close', (status) => {
      if (status === 0) return resolve();
      reject(
        new HoldfastError('CONNECTION_LOST', {
          thing: 'the process server on this machine',
          why: `it could not join: ${said.trim().split('\n').at(-1) ?? ''}`,
          remedy: 'see its settings file, and the settings local-process-server',
        }),
      );
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(`${input}\n`);
  });

/** A token that only the local process server gets to know. */
const makeToken = async (store: StateStore): Promise<string> => {
  const secret = newSecret();
  const created = Date.now();
  await transact(store, async (transaction) => {
    const note = 'process server on this machine';
    transaction.put(tokens, secretId(secret), {
      hash: hashOf(secret),
      role: 'process-server',
      created,
      expires: created + TOKEN_LIFETIME,
      note,
    });
    transaction.audit({ actor: 'configuration server', action: 'CreateToken', subject: secretId(secret), detail: note });
  });
  return secret;
};

/** Joins the process server of this machine when it has not joined yet, then runs it as long as this program runs. */
export const runLocalProcessServer = async ({ context, store, port, fingerprint }: LocalProcessServerOptions): Promise<void> => {
  const { command, config, stateDirectory } = context.settings.localProcessServer;
  const [program = 'holdfast-process-server', ...words] = command;
  const common = [`--state.directory=${stateDirectory}`, ...(config === undefined ? [] : [`--config=${config}`])];
  if (!(await hasJoined(store, stateDirectory, fingerprint))) {
    const join = [...words, 'join', '--server', `127.0.0.1:${port}`, '--fingerprint', fingerprint, ...common];
    await runWith(program, join, await makeToken(store), context.stopping);
    context.log.info('The process server on this machine joined');
  }
  const supervised: SupervisedProgram = { name: 'holdfast-process-server', command: program, arguments: [...words, ...common] };
  await supervise(context, [supervised]);
};
