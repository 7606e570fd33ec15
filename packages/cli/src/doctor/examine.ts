import { isHoldfastError } from '@holdfast/errors';
import { Severity } from '@holdfast/protocol';
import { type Context, chooseContext, readContexts } from '../site/contexts.ts';
import { learnAuthority } from '../site/learn-authority.ts';
import { readServers } from '../site/resources.ts';
import { openSite, type Site } from '../site/site.ts';
import { personRoleWord } from '../site/words.ts';
import type { Surroundings } from '../surroundings.ts';
import { type LocalProgram, localPrograms } from './local-programs.ts';
import { type Component, PORTS } from './ports.ts';

/** `quiet`: neither well nor not: there is nothing to be said from here. */
export type Result = 'passed' | 'warning' | 'failed' | 'quiet';

export interface Examined {
  readonly check: string;
  readonly of: string;
  readonly result: Result;
  readonly found: string;
  readonly remedy: string;
}

export interface ExamineOptions {
  readonly context?: string;
  /** The program that has to be here; its port and the ways that it needs. */
  readonly component?: Component;
  /** Addresses of health of programs that listen elsewhere than usual. */
  readonly addresses: ReadonlyMap<string, string>;
}

const row = (check: string, of: string, result: Result, found: string, remedy = ''): Examined => ({ check, of, result, found, remedy });

const failed = (check: string, of: string, reason: unknown): Examined => {
  if (!isHoldfastError(reason)) return row(check, of, 'failed', String(reason), 'please report this');
  return row(check, of, 'failed', `${reason.code}: ${reason.why}`, reason.remedy);
};

const program = ({ program: name, address, health }: LocalProgram, wanted: Component | undefined): Examined => {
  const start = `start it: systemctl start holdfast-${name}, and see journalctl -u holdfast-${name}`;
  if (health === undefined) {
    const isWanted = wanted === name;
    return row('program', name, isWanted ? 'failed' : 'quiet', `nothing answers at ${address}`, isWanted ? start : '');
  }
  if (health.ready) return row('program', name, 'passed', `it works, at ${address}`);
  const words = health.problems.join('; ') || 'it has not started yet';
  return row(
    'program',
    name,
    'failed',
    words,
    `mend what it names; docs/errors.md explains codes, journalctl -u holdfast-${name} tells more`,
  );
};

const portOf = (address: string, usual: number): string => /:(\d+)$/.exec(address)?.[1] ?? String(usual);

/** Whether a server of the authority answers at an address. */
const reach = async (of: string, address: string, port: string, { fingerprint }: Context, stop: AbortSignal): Promise<Examined> => {
  try {
    await learnAuthority(new URL(`https://${address}`), fingerprint, stop);
    return row('port', `${of} ${port}`, 'passed', `${address} answers, with a certificate of the installation`);
  } catch (reason) {
    const { remedy, ...rest } = failed('port', `${of} ${port}`, reason);
    return {
      ...rest,
      remedy: isHoldfastError(reason, 'CONNECTION_LOST')
        ? `open port ${port} of ${address} for this machine; see the ports in docs/operations.md`
        : remedy,
    };
  }
};

const readSite = async (site: Site, context: Context, stop: AbortSignal): Promise<Examined[]> => {
  const { name, role } = await site.sessions.getSession({});
  const servers = await readServers(site);
  const { alerts } = await site.alerts.listAlerts({ pageSize: 500 });
  const usual = PORTS.find(({ listens }) => listens === 'process server')!.port;
  const ways = servers.flatMap((server) =>
    server.endpoints.map((endpoint) => reach(server.name, endpoint, portOf(endpoint, usual), context, stop)),
  );
  return [
    row('login', context.name, 'passed', `${name}, ${personRoleWord(role)}`),
    ...(await Promise.all(ways)),
    ...servers
      .filter(({ connected }) => !connected)
      .map((server) => row('server', server.name, 'failed', 'it is not connected', 'start it, and see what it logs')),
    ...alerts
      .filter(({ silencedUntilUnixMillis }) => silencedUntilUnixMillis === 0n)
      .map(({ code, subjectName, severity, text }) =>
        row(
          `alert ${code}`,
          subjectName,
          severity === Severity.CRITICAL ? 'failed' : 'warning',
          text,
          'see the table of alerts in docs/operations.md',
        ),
      ),
    ...(alerts.length === 0 ? [row('alerts', 'site', 'passed', 'there are none')] : []),
  ];
};

/** The way to the configuration server, and what it knows. Without a login nothing of that can be tried. */
const examineSite = async (surroundings: Surroundings, { context: word, component }: ExamineOptions): Promise<Examined[]> => {
  const { environment, stop } = surroundings;
  let context: Context;
  try {
    context = chooseContext(await readContexts(environment), environment, word);
  } catch (reason) {
    const { remedy, found, ...rest } = failed('login', 'configuration server', reason);
    return [
      { ...rest, found, remedy, result: component === undefined && !isHoldfastError(reason, 'SIGN_IN_NEEDED') ? 'failed' : 'warning' },
    ];
  }
  const url = new URL(context.server);
  const way = await reach('configuration server', url.host, url.port || '443', context, stop);
  if (way.result !== 'passed') return [way];
  const site = openSite(context, surroundings);
  try {
    return [way, ...(await readSite(site, context, stop))];
  } catch (reason) {
    return [way, failed('login', context.name, reason)];
  } finally {
    site.close();
  }
};

const GRAVITY: readonly Result[] = ['failed', 'warning', 'passed', 'quiet'];

/** Looks at this machine and at what it can reach; the gravest first. */
export const examine = async (surroundings: Surroundings, options: ExamineOptions): Promise<Examined[]> => {
  const [programs, site] = await Promise.all([localPrograms(options.addresses, surroundings.stop), examineSite(surroundings, options)]);
  const found = [...programs.map((one) => program(one, options.component)), ...site];
  return found.toSorted((a, b) => GRAVITY.indexOf(a.result) - GRAVITY.indexOf(b.result));
};
