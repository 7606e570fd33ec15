import { randomUUID } from 'node:crypto';
import { copyFile, mkdir, open, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createMiniImage } from '../mini-image/index.ts';
import { createPerson, outputOf, runProcess } from '../site/cli-process.ts';
import { startConfigurationServer } from '../site/configuration-server.ts';
import { freePort } from '../site/free-port.ts';
import { mainOf } from '../site/from-source.ts';
import { createProgramProcess, type ProgramProcess } from '../site/program-process.ts';
import { writeSettings } from '../site/settings-files.ts';

const HOST = '127.0.0.1';
/** Where nothing of the image's file systems is. */
const LAST_BLOCK = 64 * 2 ** 20 - 4096;

/** The site that will be lost: a configuration server, a process server, and a machine with an agent, each a process of its own. */
export interface SourceSite {
  /** What the machine is called. */
  readonly machine: string;
  /** SIGKILL for all of it, and all of its files removed. Resolves to what was there. */
  destroy(): Promise<readonly string[]>;
}

export interface SourceSiteOptions {
  readonly directory: string;
  /** Where the vault is, elsewhere. */
  readonly vault: string;
  readonly keyFile: string;
  readonly note: (line: string) => void;
  /** Gets the number of every process at once. */
  readonly onStart: (pid: number) => void;
}

/** Sets a site up as docs/operations.md says, protects a machine, and lets it work until a point of what it wrote is in the vault. */
export const setUpSite = async ({ directory, vault, keyFile, note, onStart }: SourceSiteOptions): Promise<SourceSite> => {
  await mkdir(directory, { recursive: true });
  const image = path.join(directory, 'disk.raw');
  await copyFile((await createMiniImage()).path, image);
  const server = await startConfigurationServer({ directory: path.join(directory, 'cs'), onStart });
  const person = createPerson(path.join(directory, 'person'), onStart);
  const login = ['login', '--server', server.url, '--fingerprint', server.fingerprint, '--name', 'source'];
  await person.json(login, { input: server.administratorToken });
  const programs: ProgramProcess[] = [server.process];
  const start = async (role: 'agent' | 'process-server', settings: Readonly<Record<string, unknown>>): Promise<void> => {
    const main = mainOf(role === 'agent' ? 'mobility-agent' : 'process-server');
    const hardware = path.join(directory, `${role}.json`);
    await writeFile(hardware, JSON.stringify({ productUuid: randomUUID(), productSerial: '', macAddresses: [], machineId: '' }));
    const common = { http: { listen: `${HOST}:0` }, identity: { 'hardware-file': hardware } };
    const files = writeSettings(directory, role === 'agent' ? 'ag' : 'ps', { ...common, ...settings });
    const { secret } = await person.json<{ secret: string }>(['token', 'create', '--role', role]);
    const where = ['--server', `${HOST}:${server.port}`, '--fingerprint', server.fingerprint];
    outputOf('join', await runProcess(main, ['join', '--config', files.config, ...where], { input: `${secret}\n`, onStart }));
    const program = createProgramProcess({ name: `holdfast-${role}`, main, config: files.config, logFile: files.logFile, onStart });
    programs.push(program);
    await program.start();
  };
  const replication = `${HOST}:${await freePort()}`;
  await start('process-server', {
    replication: { listen: replication, advertise: [replication] },
    journal: { quota: '256MiB' },
    vaults: { office: { url: vault, 'key-file': keyFile } },
  });
  await start('agent', { disks: { include: [image] }, hrl: { quota: '256MiB', segment: '16MiB' }, points: { interval: '1s' } });
  const [found] = await person.json<{ id: string }[]>(['machine', 'list']);
  await person.json(['machine', 'rename', found!.id, 'mini']);
  note('protecting the machine');
  await person.json(['protect', 'mini', '--vault', 'office', '--wait'], {});
  const file = await open(image, 'r+');
  await file.write(Buffer.alloc(4096, 7), 0, 4096, LAST_BLOCK);
  await file.sync();
  await file.close();
  return {
    machine: 'mini',
    destroy: async () => {
      for (const program of programs.toReversed()) await program.kill();
      await rm(directory, { recursive: true });
      return programs.map(({ name }) => name);
    },
  };
};
