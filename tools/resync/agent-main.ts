// An agent's engine over one disk as a process of its own, to be killed: argv[2] is a file with `AgentFile`. Says on standard output how it stands.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { create } from '@bufbuild/protobuf';
import { createEngine, openDiskRegistry } from '@holdfast/mobility-agent';
import { AgentProtectionSchema, connectReplication, idBytes, type TlsCredentials } from '@holdfast/protocol';

/** What such a process is to do. */
export interface AgentFile {
  readonly machineId: string;
  readonly directory: string;
  readonly memoryDirectory: string;
  readonly disk: { readonly path: string; readonly size: number };
  readonly server: { readonly address: string; readonly id: string };
  readonly credentials: TlsCredentials;
  readonly copyRate: number;
  readonly intervalSeconds: number;
}

/** A line of its output. */
export interface AgentLine {
  readonly event?: { readonly code: string; readonly text: string };
  readonly status?: {
    readonly phase: number;
    readonly copiedBytes: number;
    readonly sentBytes: number;
    readonly pendingCuts: number;
    readonly points: number;
  };
}

const say = (line: AgentLine): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

const main = async (): Promise<void> => {
  const file = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as AgentFile;
  const registry = await openDiskRegistry(path.join(file.directory, 'disks.json'));
  const findDisks = () => registry.identify([{ ...file.disk, kind: 'device', key: file.disk.path }]);
  const [disk] = await findDisks();
  const engine = createEngine({
    machineId: file.machineId,
    version: '0.0.0',
    directory: file.directory,
    log: { directory: undefined, quota: 256 << 20, segment: 16 << 20, memory: 64 << 20 },
    trace: { bufferBytes: 8 << 20, memoryDirectory: file.memoryDirectory },
    interval: undefined,
    waits: { first: 20, longest: 200, refused: 200 },
    copy: { rate: file.copyRate, yields: false },
    checkInterval: 100,
    registry,
    findDisks,
    connect: (address) =>
      connectReplication({
        address,
        credentials: { current: () => file.credentials },
        expect: { role: 'process-server', id: file.server.id },
      }),
    onEvent: ({ code, text }) => say({ event: { code, text } }),
  });
  const protection = create(AgentProtectionSchema, {
    machineId: idBytes(file.machineId),
    diskIds: [idBytes(disk!.id)],
    processServers: [file.server.address],
    pointIntervalSeconds: file.intervalSeconds,
    compression: 'lz4',
  });
  engine.apply(1n, protection);
  const report = setInterval(() => {
    const { disks, sentBytes, pendingCuts, points } = engine.status;
    say({ status: { phase: disks[0]?.phase ?? 0, copiedBytes: disks[0]?.copiedBytes ?? 0, sentBytes, pendingCuts, points } });
  }, 20);
  process.on('SIGTERM', () => {
    clearInterval(report);
    void engine.stop();
  });
};

void main();
