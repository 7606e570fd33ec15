import { request } from 'node:https';
import { LARGEST_SUCCESSOR, publicKeyFingerprint, readSuccessor, SUCCESSOR_PATH } from '@holdfast/protocol';
import type { Surroundings } from '../surroundings.ts';
import { type Context, readContexts, writeContexts } from './contexts.ts';

/** Milliseconds. */
const PATIENCE = 10_000;

/** What a server tells of who its authority followed. Nothing is sent to it, and nothing of the answer is believed unseen. */
const ask = (server: string, stop: AbortSignal): Promise<string> =>
  new Promise((resolve, reject) => {
    const signal = AbortSignal.any([stop, AbortSignal.timeout(PATIENCE)]);
    const options = { rejectUnauthorized: false, minVersion: 'TLSv1.3', ALPNProtocols: ['http/1.1'], agent: false, signal } as const;
    const asked = request(new URL(SUCCESSOR_PATH, server), options, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => {
        text += part;
        if (text.length > LARGEST_SUCCESSOR) answer.destroy(new Error('too large'));
      });
      answer.once('error', reject);
      answer.once('end', () => (answer.statusCode === 200 ? resolve(text) : reject(new Error(`status ${answer.statusCode}`))));
    });
    asked.once('error', reject);
    asked.end();
  });

/**
 * A server shows another authority than the one somebody logged in with. Where that one signed that the other follows it, the login goes on with the other
 * one, and is kept so; undefined where it did not.
 */
export const followAuthority = async (context: Context, { environment, stop, stderr }: Surroundings): Promise<Context | undefined> => {
  let authority: string;
  try {
    authority = readSuccessor(await ask(context.server, stop), context.authority);
  } catch {
    return undefined;
  }
  const next: Context = { ...context, authority, fingerprint: publicKeyFingerprint(authority) };
  const all = await readContexts(environment);
  const contexts = all.contexts.map((one) => (one.name === context.name && one.authority === context.authority ? next : one));
  await writeContexts(environment, { ...all, contexts });
  stderr.write(
    `The configuration server has another certificate authority, which the one before signed; it is trusted from now on: ${next.fingerprint}\n`,
  );
  return next;
};
