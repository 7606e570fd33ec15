import type { Address } from '@holdfast/daemon';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { createTransport } from 'nodemailer';
import type { StoredEvent } from '../state/state-store.ts';
import type { Carrier } from './courier.ts';

export interface EmailOptions {
  readonly server: Address;
  /** "starttls" asks for it and goes on only with it; "none" is for a server on this machine. */
  readonly security: 'tls' | 'starttls' | 'none';
  readonly from: string;
  readonly to: readonly string[];
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** PEM of authorities to trust beside those of the machine. */
  readonly authorities: string | undefined;
}

/** Milliseconds. */
const PATIENCE = 30_000;

/** What stands in the list of a mail program: the gravest thing. */
const subjectOf = (events: readonly StoredEvent[]): string => {
  const [gravest] = [...events].toSorted((a, b) => Number(b.severity === 'critical') - Number(a.severity === 'critical'));
  const others = events.length === 1 ? '' : ` and ${events.length - 1} more`;
  return `[Holdfast] ${gravest!.severity}: ${gravest!.text.slice(0, 120)}${others}`;
};

/** One line, whatever stands in its text. */
const lineOf = ({ at, severity, text, code }: StoredEvent): string =>
  `${new Date(at).toISOString()}  ${severity.padEnd(11)}  ${text.replaceAll(/\s+/g, ' ')}  (${code})`;

/** E-mail by SMTP (RFC 5321), events that come together in one message. */
export const createEmail = ({ server, security, from, to, user, password, authorities }: EmailOptions): Carrier => ({
  name: 'e-mail',
  async carry(events) {
    const transport = createTransport({
      host: server.host,
      port: server.port,
      secure: security === 'tls',
      requireTLS: security === 'starttls',
      ignoreTLS: security === 'none',
      connectionTimeout: PATIENCE,
      greetingTimeout: PATIENCE,
      socketTimeout: PATIENCE,
      disableFileAccess: true,
      disableUrlAccess: true,
      ...(authorities === undefined ? {} : { tls: { ca: authorities } }),
      ...(user === undefined ? {} : { auth: { user, pass: password ?? '' } }),
    });
    try {
      await transport.sendMail({
        from,
        to: [...to],
        subject: subjectOf(events),
        text: `${events.map(lineOf).join('\n')}\n\nholdfast alert list shows what is not well now, holdfast event list what happened.\n`,
      });
    } catch (reason) {
      const { command, responseCode = 0, response = '' } = reason as { command?: string; responseCode?: number; response?: string };
      // A lasting refusal of the message itself (RFC 5321, 4.2.1), not of sender, receivers or credentials.
      if (command === 'DATA' && responseCode >= 550 && responseCode < 560)
        throw new HoldfastError('REQUEST_INVALID', {
          thing: `mail server ${server.host}:${server.port}`,
          why: `it refused the message: ${response.slice(0, 200)}`,
          remedy: 'look at what filters mail there',
          cause: reason,
        });
      throw fromSystem(reason, `mail server ${server.host}:${server.port}`, 'CONNECTION_LOST');
    } finally {
      transport.close();
    }
  },
});
