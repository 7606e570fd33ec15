import { createHmac } from 'node:crypto';
import { request as plainRequest } from 'node:http';
import { request } from 'node:https';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import type { StoredEvent } from '../state/state-store.ts';
import type { Carrier } from './courier.ts';

export interface WebhookOptions {
  readonly url: URL;
  /** Signs what is sent, so that the receiver knows who speaks. */
  readonly secret: string | undefined;
  readonly authorities: string | undefined;
}

/** Milliseconds. */
const PATIENCE = 30_000;
/** Answers that mean the content: bad request, too large, not processable. */
const CONTENT: ReadonlySet<number> = new Set([400, 413, 422]);
/** Of an answer that says why it is refused. */
const MOST_WORDS = 200;

/** HMAC-SHA-256 of `TIME.BODY`, as `x-holdfast-signature: t=TIME,v1=HEX` carries it; the time bounds replays. */
export const signatureOf = (secret: string, seconds: number, body: string): string =>
  `t=${seconds},v1=${createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')}`;

/** Events as JSON by POST; any status from 200 to 299 means that they arrived. Redirects are not followed. */
export const createWebhook = ({ url, secret, authorities }: WebhookOptions): Carrier => ({
  name: 'webhook',
  carry: (events, signal) =>
    new Promise((resolve, reject) => {
      const body = JSON.stringify({
        events: events.map(({ at, ...event }: StoredEvent) => ({ time: new Date(at).toISOString(), ...event })),
      });
      const seconds = Math.floor(Date.now() / 1000);
      const thing = `webhook ${url.origin}`;
      const send = url.protocol === 'https:' ? request : plainRequest;
      const call = send(
        url,
        {
          method: 'POST',
          signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]),
          headers: {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
            'user-agent': 'Holdfast',
            ...(secret === undefined ? {} : { 'x-holdfast-signature': signatureOf(secret, seconds, body) }),
          },
          ...(authorities === undefined ? {} : { ca: authorities }),
        },
        (answer) => {
          const status = answer.statusCode ?? 0;
          let words = '';
          answer.setEncoding('utf8');
          answer.on('data', (text: string) => {
            words = (words + text).slice(0, MOST_WORDS);
          });
          answer.once('error', (reason) => reject(fromSystem(reason, thing, 'CONNECTION_LOST')));
          answer.once('end', () =>
            status >= 200 && status < 300
              ? resolve()
              : reject(
                  new HoldfastError(CONTENT.has(status) ? 'REQUEST_INVALID' : 'CONNECTION_LOST', {
                    thing,
                    why: `it answered ${status} ${words.replaceAll(/\s+/g, ' ')}`.trim(),
                    remedy: 'look at what listens there',
                  }),
                ),
          );
        },
      );
      call.once('error', (reason) => reject(fromSystem(reason, thing, 'CONNECTION_LOST')));
      call.end(body);
    }),
});
