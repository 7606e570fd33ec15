import { execFileSync } from 'node:child_process';
import { createHash, randomFillSync } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createWriteTrace } from '@holdfast/mobility-agent';
import { createServerSite, type ServerSite } from '@holdfast/process-server/conformance';
import { newId } from '@holdfast/protocol';
import { openView, readMachine } from '@holdfast/vault';
import { type AgentProcess, createAgentProcess } from './agent-process.ts';

const BLOCK = 4096;

/** A disk, an agent and a process server as processes, and a vault in a folder. */
export interface ResyncRig {
  readonly machineId: string;
  readonly agent: AgentProcess;
  readonly server: ServerSite;
  /** The loop device, and the file behind it. */
  readonly disk: string;
  readonly image: string;
  /** Writes noise through the device. */
  scribble(places: readonly number[], length?: number): void;
  /** Ends the tracing, as a reboot does; the agent must not run. */
  forgetTrace(): void;
  /** SHA-256 of the disk, and of what the vault has of it at its newest point. */
  digestOfDisk(): string;
  digestOfVault(): Promise<string>;
  /** Generations the vault knows. */
  generations(): Promise<number>;
  close(): Promise<void>;
}

const run = (program: string, ...args: string[]): string => execFileSync(program, args, { encoding: 'utf8', stdio: 'pipe' }).trim();

export interface ResyncRigOptions {
  /** Bytes of the disk. */
  readonly size: number;
  /** Where the disk's file is, and all that the others keep; in memory, and in the system's folder for such things, unless told. */
  readonly folder?: string;
  /** The folder `tools`: this file is loaded by programs that know where they are by different means. */
  readonly tools: string;
}

export const createResyncRig = async ({ size, folder, tools }: ResyncRigOptions): Promise<ResyncRig> => {
  const directory = fs.mkdtempSync(path.join(folder ?? os.tmpdir(), 'resync-'));
  const imageFolder = fs.mkdtempSync(path.join(folder ?? '/dev/shm', 'resync-disk-'));
  const memoryDirectory = fs.mkdtempSync('/dev/shm/resync-memory-');
  const image = path.join(imageFolder, 'image');
  fs.writeFileSync(image, '');
  fs.truncateSync(image, size);
  const disk = run('losetup', '--find', '--show', '--direct-io=off', image);
  const machineId = newId();
  const agentDirectory = path.join(directory, 'agent');
  const serverDirectory = path.join(directory, 'server');
  for (const one of [agentDirectory, serverDirectory]) fs.mkdirSync(one);
  const server = await createServerSite({
    directory: serverDirectory,
    main: path.join(tools, '../packages/process-server/src/main.ts'),
    settings: { 'upload.seal-interval': '20ms' },
  });
  server.assign([machineId]);
  await server.start();
  const agent = createAgentProcess(
    {
      machineId,
      directory: agentDirectory,
      memoryDirectory,
      disk: { path: disk, size },
      server: { address: `127.0.0.1:${server.port}`, id: server.serverId },
      credentials: await server.certificate(machineId),
      copyRate: 0,
      intervalSeconds: 3600,
    },
    path.join(tools, 'resync/agent-main.ts'),
  );
  const trace = () => createWriteTrace({ machineId, bufferBytes: 8 << 20, memoryDirectory });

  return {
    machineId,
    agent,
    server,
    disk,
    image,
    scribble(places, length = BLOCK) {
      const fd = fs.openSync(disk, 'r+');
      const step = 16 << 20;
      for (const place of places)
        for (let done = 0; done < length; done += step) {
          const bytes = randomFillSync(Buffer.alloc(Math.min(step, length - done)));
          fs.writeSync(fd, bytes, 0, bytes.length, place + done);
        }
      fs.fsyncSync(fd);
      fs.closeSync(fd);
    },
    forgetTrace: () => trace().destroy(),
    digestOfDisk() {
      const hash = createHash('sha256');
      const fd = fs.openSync(image, 'r');
      const buffer = Buffer.alloc(4 << 20);
      for (let count = fs.readSync(fd, buffer); count > 0; count = fs.readSync(fd, buffer)) hash.update(buffer.subarray(0, count));
      fs.closeSync(fd);
      return hash.digest('hex');
    },
    async digestOfVault() {
      const vault = await server.openVault();
      try {
        const history = await readMachine(vault, machineId);
        const point = history.points.at(-1)!;
        const view = await openView(history, point.id, point.disks[0]!);
        const hash = createHash('sha256');
        for (let at = 0; at < view.size; at += 4 << 20) {
          const bytes = Buffer.alloc(Math.min(4 << 20, view.size - at));
          await view.read(at, bytes);
          hash.update(bytes);
        }
        await view.close();
        return hash.digest('hex');
      } finally {
        await vault.close();
      }
    },
    async generations() {
      const vault = await server.openVault();
      const { generations } = await readMachine(vault, machineId);
      await vault.close();
      return generations.size;
    },
    async close() {
      await agent.kill('SIGKILL');
      await server.close();
      try {
        trace().destroy();
      } catch {
        // Nothing was traced.
      }
      run('losetup', '--detach', disk);
      for (const left of [imageFolder, memoryDirectory, directory]) fs.rmSync(left, { recursive: true, force: true });
    },
  };
};
