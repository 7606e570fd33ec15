import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  createServerSite,
  type ScriptedCut,
  ScriptedSource,
  type ServerSite,
  startScriptedAgent,
  verifyCuts,
} from '@holdfast/process-server/conformance';
import { type Azurite, startAzurite } from '../azurite/index.ts';

const MAIN = path.join(__dirname, '../../packages/process-server/src/main.ts');

let directory: string;
let azurite: Azurite;
let site: ServerSite;

const connectionString = (key: string): string =>
  `DefaultEndpointsProtocol=http;AccountName=${azurite.account};AccountKey=${key};BlobEndpoint=${azurite.endpoint};`;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'process-server-azurite-'));
  await mkdir(path.join(directory, 'azurite'));
  azurite = await startAzurite({ folder: path.join(directory, 'azurite') });
});

afterEach(async () => {
  await site.close();
  await azurite.stop('SIGKILL');
  await rm(directory, { recursive: true, force: true });
});

describe('a process server with a vault in Azure Blob Storage', () => {
  it('makes cuts durable, shows wrong credentials in the words of the service, and recovers when they are right', async () => {
    const source = new ScriptedSource({ size: 1024 * 1024 });
    const secret = path.join(directory, 'connection-string');
    await writeFile(secret, connectionString(azurite.key), { mode: 0o600 });
    site = await createServerSite({
      directory,
      main: MAIN,
      vaultUrl: await azurite.createContainer('vault'),
      environment: { AZURE_STORAGE_KEY: azurite.key },
      settings: { 'vaults.main.azure-connection-string-file': secret, 'upload.seal-interval': '20ms', 'upload.retry-longest': '1s' },
    });
    site.assign([source.machineId]);
    await site.start();
    const certified = await site.certificate(source.machineId);
    const agent = startScriptedAgent({ machineId: source.machineId, connect: () => site.connect(certified) });
    const cuts: ScriptedCut[] = [];
    const add = async (): Promise<void> => {
      source.scribble(50);
      const cut = await source.cut();
      cuts.push(cut);
      agent.add(cut.content);
    };
    try {
      for (let round = 0; round < 3; round += 1) await add();
      await agent.until(() => agent.durable.size === 3);

      await writeFile(secret, connectionString(Buffer.alloc(64, 1).toString('base64')));
      await add();
      await agent.until(() => agent.journaled.size === 1);
      const health = async (): Promise<string> => (await fetch(`http://127.0.0.1:${site.httpPort}/healthz`)).text();
      while (!/authenti|Authorization|signature/i.test(await health())) await sleep(100);
      expect(agent.durable.size).toBe(3);

      await writeFile(secret, connectionString(azurite.key));
      await agent.until(() => agent.durable.size === 4);
      const vault = await site.openVault();
      expect(await verifyCuts(vault, source.machineId, source.diskId, cuts)).toBeUndefined();
      await vault.close();
    } finally {
      await agent.stop();
    }
  });
});
