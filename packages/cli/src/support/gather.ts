import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { type DescMessage, type MessageShape, toJson } from '@bufbuild/protobuf';
import { VERSION } from '@holdfast/daemon';
import {
  GetSessionResponseSchema,
  ListAlertsResponseSchema,
  ListAuditResponseSchema,
  ListEventsResponseSchema,
  ListJobsResponseSchema,
  ListMachinesResponseSchema,
  ListPoliciesResponseSchema,
  ListProtectionsResponseSchema,
  ListServersResponseSchema,
  ListVaultsResponseSchema,
} from '@holdfast/protocol';
import { examine } from '../doctor/examine.ts';
import { askProgram } from '../doctor/local-programs.ts';
import { COMPONENTS, healthAddress } from '../doctor/ports.ts';
import { readContexts } from '../site/contexts.ts';
import type { Site } from '../site/site.ts';
import { withSite } from '../site/with-site.ts';
import type { Surroundings } from '../surroundings.ts';
import type { TarFile } from './tar.ts';

export interface GatherOptions {
  readonly context?: string;
  readonly addresses: ReadonlyMap<string, string>;
  /** Directory of the settings files of programs. */
  readonly settings: string;
  /** Log files beside what the journal of the system has. */
  readonly logs: readonly string[];
}

/** Bytes of a log that are taken: the last. */
const LOG = 4 * 1024 * 1024;
const JOURNAL_LINES = 10_000;
const PAGE = 500;

const run = promisify(execFile);

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** A part of the bundle: what could not be had is told in its place. */
const part = async (name: string, read: () => Promise<string>): Promise<TarFile> => {
  try {
    return { name, content: await read() };
  } catch (reason) {
    return { name: `${name}.missing`, content: `${(reason as Error).message}\n` };
  }
};

const about = ({ now, environment }: Surroundings): string =>
  json({
    holdfast: VERSION,
    made: new Date(now()).toISOString(),
    node: process.version,
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    host: os.hostname(),
    processors: os.cpus().length,
    memory: os.totalmem(),
    uptimeSeconds: Math.round(os.uptime()),
    // Names alone: which are set often explains much.
    variables: Object.keys(environment).filter((name) => /^(HOLDFAST|AZURE|HTTPS?_PROXY|NO_PROXY)/i.test(name)),
  });

const ofSite = (surroundings: Surroundings, context: string | undefined): Promise<TarFile>[] => {
  const read = <D extends DescMessage>(name: string, schema: D, ask: (site: Site) => Promise<MessageShape<D>>): Promise<TarFile> =>
    part(`site/${name}.json`, () =>
      withSite(surroundings, context === undefined ? {} : { context }, async (site) => json(toJson(schema, await ask(site)))),
    );
  const page = { pageSize: PAGE };
  return [
    read('session', GetSessionResponseSchema, (site) => site.sessions.getSession({})),
    read('machines', ListMachinesResponseSchema, (site) => site.machines.listMachines(page)),
    read('servers', ListServersResponseSchema, (site) => site.servers.listServers(page)),
    read('protections', ListProtectionsResponseSchema, (site) => site.protections.listProtections(page)),
    read('vaults', ListVaultsResponseSchema, (site) => site.vaults.listVaults(page)),
    read('policies', ListPoliciesResponseSchema, (site) => site.policies.listPolicies(page)),
    read('jobs', ListJobsResponseSchema, (site) => site.jobs.listJobs(page)),
    read('events', ListEventsResponseSchema, (site) => site.events.listEvents(page)),
    read('alerts', ListAlertsResponseSchema, (site) => site.alerts.listAlerts(page)),
    read('audit', ListAuditResponseSchema, (site) => site.audit.listAudit(page)),
  ];
};

const ofPrograms = ({ stop }: Surroundings, { addresses, settings }: GatherOptions): Promise<TarFile>[] =>
  COMPONENTS.flatMap((program) => {
    const address = addresses.get(program) ?? healthAddress(program);
    const ask = (from: string): Promise<string> =>
      askProgram(address, from, stop).then((text) => {
        if (text === undefined) throw new Error(`nothing answers at ${address}`);
        return text;
      });
    return [
      part(`programs/${program}/health.json`, () => ask('/healthz')),
      part(`programs/${program}/metrics.txt`, () => ask('/metrics')),
      part(`programs/${program}/settings.yaml`, () => readFile(path.join(settings, `${program}.yaml`), 'utf8')),
      part(`programs/${program}/journal.log`, async () => {
        const args = ['--unit', `holdfast-${program}`, '--lines', String(JOURNAL_LINES), '--no-pager', '--output', 'cat'];
        return (await run('journalctl', args, { maxBuffer: 16 * LOG, signal: stop })).stdout.slice(-LOG);
      }),
    ];
  });

/** Everything that helps others to find out what is wrong, as it is: it has to be cleaned of secrets by whoever writes it. */
export const gather = async (
  surroundings: Surroundings,
  options: GatherOptions,
): Promise<{ readonly files: TarFile[]; readonly secrets: readonly string[] }> => {
  const { contexts = [] } = await readContexts(surroundings.environment).catch(() => ({ contexts: [] }));
  const examined = part('doctor.json', async () =>
    json(
      await examine(surroundings, { addresses: options.addresses, ...(options.context === undefined ? {} : { context: options.context }) }),
    ),
  );
  const logs = options.logs.map((log, at) =>
    part(`logs/${at + 1}-${path.basename(log).slice(0, 60)}`, async () => (await readFile(log, 'utf8')).slice(-LOG)),
  );
  const names = part('settings-directory.txt', async () => `${(await readdir(options.settings)).join('\n')}\n`);
  const files = await Promise.all([
    part('about.json', async () => about(surroundings)),
    part('contexts.json', async () => json(contexts.map(({ name, server, fingerprint }) => ({ name, server, fingerprint })))),
    examined,
    names,
    ...ofSite(surroundings, options.context),
    ...ofPrograms(surroundings, options),
    ...logs,
  ]);
  return { files, secrets: contexts.map(({ token }) => token) };
};
