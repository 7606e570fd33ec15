import { constants } from 'node:os';
import { text } from 'node:stream/consumers';
import { endThreads } from '@holdfast/block';
import { tuneMemory } from '@holdfast/daemon';
import { HoldfastError } from '@holdfast/errors';
import { createKeyVaultKey, openStore } from '@holdfast/object-store';
import { runHoldfast } from './run.ts';
import { askLine } from './secrets/ask-line.ts';
import { askSecret } from './secrets/ask-secret.ts';

/** The program `holdfast`: everything is in run.ts; here are only the process and its signals. */
const { stdin, stdout, stderr, env } = process;
tuneMemory();
const stopping = new AbortController();
let signalled: NodeJS.Signals | undefined;

// Once: the second signal ends the process as it would end any.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => {
    signalled = signal;
    stopping.abort(new HoldfastError('INTERRUPTED', { thing: 'holdfast', why: `it was ended by ${signal}`, remedy: 'start it again' }));
  });

// Whoever reads the answer may stop reading, as `head` does.
stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  void endThreads().finally(() => process.exit(0));
});
// And advice and progress nobody reads are lost, as in `2>&1 | head`.
stderr.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

const openKeys = (): { readonly stream: typeof stdin; close(): void } => {
  stdin.setRawMode(true);
  return {
    stream: stdin,
    close: () => {
      stdin.setRawMode(false);
      stdin.pause();
    },
  };
};

const status = await runHoldfast(process.argv.slice(2), {
  stdout,
  stderr,
  environment: env,
  stop: stopping.signal,
  now: Date.now,
  openStore: (url) => openStore(url, { environment: env }),
  openKeyVault: (url) => createKeyVaultKey(url, env['AZURE_CLIENT_ID'] ? { clientId: env['AZURE_CLIENT_ID'] } : {}),
  ...(stdin.isTTY
    ? {
        openKeys,
        askSecret: (question: string) => askSecret(stdin, stderr, question),
        ask: (question: string) => askLine(stdin, stderr, question),
      }
    : { readInput: () => text(stdin) }),
});
const interrupted = new HoldfastError('INTERRUPTED', { thing: '', why: '', remedy: '' }).exitCode;
process.exitCode = status === interrupted && signalled !== undefined ? 128 + constants.signals[signalled] : status;
// Requests to a store that does not answer would keep the process for a while.
if (signalled !== undefined) {
  await endThreads();
  process.exit();
}
