import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createQemuFabric } from '@holdfast/fabric';
import { openStore } from '@holdfast/object-store';
import { createVault, writeKeyFile } from '@holdfast/vault';
import { until } from '../lab/host/until.ts';
import { type Servers, startServers } from '../site/servers.ts';
import { FLOWS } from './flows.ts';
import { forgetFallback, installAgent } from './provision.ts';
import { MACHINE, NEVER, PATIENCE } from './scenario.ts';
import { createServerImage, type Layout, SERVER_PASSWORD } from './server-image.ts';
import { type SourceServer, startSourceServer } from './source-server.ts';
import type { Steps } from './steps.ts';

const GUEST_SEES_HOST = '10.0.2.2';
/** A small server, as people rent them: /run, where the agent keeps its tracking, has 96 MiB. */
const MEMORY_MIB = 1024;
const POINT_INTERVAL = '10s';

export interface RunLayoutOptions {
  readonly layout: Layout;
  /** With the agent's bundle. */
  readonly bundles: string;
  readonly steps: Steps;
  readonly print: (line: string) => void;
  /** Gets the number of every process that would outlive this one. */
  readonly onStart: (pid: number) => void;
  /** Leaves the files of a run that failed, and says where. */
  readonly keep: boolean;
}

interface Installed {
  readonly name: string;
  readonly connected: boolean;
  readonly newestPoint: string | null;
}

/** Sets a site and a server up, protects the server while it works, and goes through a failover with it. Leaves nothing running. */
export const runLayout = async ({ layout, bundles, steps, print, onStart, keep }: RunLayoutOptions): Promise<void> => {
  const image = await steps.take('the server’s disk', () => createServerImage(layout, { print }));
  // Short: Unix sockets live below it.
  const directory = await mkdtemp(path.join(tmpdir(), 'hfe-'));
  let servers: Servers | undefined;
  let source: SourceServer | undefined;
  let well = false;
  try {
    const elsewhere = path.join(directory, 'vault');
    await mkdir(elsewhere);
    const vault = `file:${elsewhere}`;
    const keyFile = path.join(directory, 'key');
    await (await createVault(await openStore(vault), { name: 'office', keys: [await writeKeyFile(keyFile)] })).close();

    source = await startSourceServer({ image, uefi: layout === 'uefi-xfs', memoryMiB: MEMORY_MIB, directory });
    const { console } = source;
    const off = source.ended.then((how): never => {
      throw new Error(`the server went off: ${how}`);
    });
    off.catch(() => undefined);
    const site = steps.take('configuration server and process server', () =>
      startServers({
        directory,
        vault,
        keyFile,
        announcedHost: GUEST_SEES_HOST,
        settings: `install: { directory: ${JSON.stringify(bundles)} }`,
        patience: PATIENCE.console,
        onStart,
      }),
    );
    const logIn = (): Promise<void> => Promise.race([console.logIn(SERVER_PASSWORD, PATIENCE.console), off]);
    const started = steps.take('the server starts, somebody logs in', logIn);
    const results = await Promise.allSettled([site, started]);
    servers = results[0].status === 'fulfilled' ? results[0].value : undefined;
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    const { person } = servers!;

    if (layout === 'uefi-xfs') await forgetFallback(console);
    await steps.take('the agent by the lines of token create', () => installAgent(console, person));
    const machine = async (): Promise<Installed | undefined> =>
      (await person.look<Installed[]>(['machine', 'list'], NEVER)).find(({ name }) => name === MACHINE);
    const connected = async (): Promise<boolean> => (await machine())?.connected === true;
    await steps.take('the agent is connected', () =>
      until('the agent is connected', connected, { seconds: PATIENCE.seconds, everyMilliseconds: 2_000 }),
    );
    await person.json(['policy', 'create', 'slow', '--point-interval', POINT_INTERVAL, '--rpo-threshold', '1h']);
    await person.json(['protect', MACHINE, '--vault', 'office', '--policy', 'slow']);
    // Before its first point the vault does not know it.
    const copied = async (): Promise<boolean> => typeof (await machine())?.newestPoint === 'string';
    await steps.take('first copy, while the ledger grows', () =>
      until('the first point', copied, { seconds: 2 * PATIENCE.seconds, everyMilliseconds: 3_000 }),
    );
    await FLOWS[layout]({ source, servers: servers!, steps, onStart });
    well = true;
  } finally {
    source?.kill();
    if (servers !== undefined) {
      const fabric = createQemuFabric({ directory: path.join(servers.processServerState, 'recovery', 'vm') });
      await servers.stop();
      for (const { operationId } of await fabric.list()) await fabric.remove(operationId);
    }
    if (keep && !well) print(`${layout}: its files stay in ${directory}`);
    else await rm(directory, { recursive: true, force: true });
  }
};
