import { createWriteStream } from 'node:fs';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createServerSite } from '@holdfast/process-server/conformance';
import { idBytes, newId } from '@holdfast/protocol';
import { openView, readMachine } from '@holdfast/vault';
import { type Guest, startGuest } from '../../guest/index.ts';
import { runTool } from '../../lab/host/run-tool.ts';
import { until } from '../../lab/host/until.ts';
import { FROM_SOURCE, mainOf } from '../../site/from-source.ts';
import { BLOCK, BLOCKS, parseSpoken, type Spoken } from './sequence.ts';

const HERE = import.meta.dirname;
/** How the guest reaches this machine's loopback. */
const HOST = '10.0.2.2';
/** Of different sizes, by which they are told apart. */
const DISK_SIZES = [8 << 20, 12 << 20] as const;
const STATE_BYTES = 256 << 20;
const AGENT = '/bundles/holdfast-agent';
const SETTINGS = '/state/agent.yaml';
const SLOW = { timeoutSeconds: 600 };
const PATIENCE_SECONDS = 1800;
/** Milliseconds between looks at the vault: each reads the history of the machine, while its emulated processor wants to work. */
const LOOK_EVERY = 3000;

export interface GuestPoint {
  readonly id: string;
  /** Nanoseconds since 1970 by the guest's clock. */
  readonly time: bigint;
  /** What it holds of the disks that are written to, in their order. */
  readonly images: readonly Buffer[];
}

export interface GuestResync {
  readonly diskId: string;
  readonly reason: string;
}

/** A machine in a guest with two protected disks and an agent; the process server and its vault are on the host. */
export interface GuestMachine {
  reboot(): Promise<void>;
  powerCut(): Promise<void>;
  /** Resolves when a whole point that was made after this call is in the vault. */
  settled(): Promise<void>;
  /** Points that were not told before. */
  newPoints(): Promise<GuestPoint[]>;
  /** Generations that began since the last call, but for first copies. */
  newResyncs(): Promise<GuestResync[]>;
  /** How often the agent warned that a disk is copied anew, ever. */
  warnings(): Promise<number>;
  /** What the writer said until the guest went off last. */
  spoken(): Promise<readonly Spoken[]>;
  close(): Promise<void>;
}

const makeBundle = async (directory: string): Promise<void> => {
  const main = path.join(HERE, '../../bundle/main.ts');
  await runTool(process.execPath, [...FROM_SOURCE, main, '--out', directory, 'holdfast-agent']);
  const [bundle] = (await runTool('find', [directory, '-name', '*.tar.gz'])).stdout.trim().split('\n');
  await runTool('tar', ['--extract', '--gzip', '--file', bundle!, '--directory', directory]);
};

/** Boots it, makes it a member, protects its disks and has the writer write to them. `note` says how far that is. */
export const startGuestMachine = async (directory: string, note: (line: string) => void): Promise<GuestMachine> => {
  const bundles = path.join(directory, 'bundles');
  const writer = path.join(directory, 'writer');
  const server = path.join(directory, 'server');
  for (const folder of [bundles, writer, server]) await mkdir(folder, { recursive: true });
  for (const file of ['sequence.ts', 'writer.ts']) await copyFile(path.join(HERE, file), path.join(writer, file));
  await makeBundle(bundles);
  const site = await createServerSite({ directory: server, main: mainOf('process-server') });
  const outside = path.join(directory, 'spoken');
  await writeFile(outside, '');
  let guest: Guest | undefined;
  const close = async (): Promise<void> => {
    await guest?.stop();
    await site.close();
  };
  try {
    const started = await startGuest({
      memoryMiB: 1024,
      network: 'user',
      share: { '/bundles': bundles, '/writer': writer },
      disks: [
        { bus: 'virtio', sizeBytes: DISK_SIZES[0], serial: 'one' },
        { bus: 'scsi', sizeBytes: DISK_SIZES[1], serial: 'two' },
        { bus: 'virtio', sizeBytes: STATE_BYTES, serial: 'state' },
      ],
    });
    guest = started;
    note('the guest is up');
    const disks = ['one', 'two'].map((serial) => `/dev/disk/by-serial/${serial}`);
    const { address, fingerprint } = site.configuration;
    const settings = [
      'state: { directory: /state/agent }',
      'identity: { hardware-file: /state/hardware.json }',
      `disks: { include: [${disks.map((disk) => `"${disk}"`).join(', ')}] }`,
      'http: { listen: "127.0.0.1:0" }',
      'hrl: { quota: 128MiB, segment: 8MiB, memory: 16MiB }',
      'trace: { buffer: 8MiB }',
      '',
    ].join('\n');
    const hardware = { productUuid: crypto.randomUUID(), productSerial: '', macAddresses: [], machineId: newId() };
    const files = path.join(directory, 'agent.yaml');
    await writeFile(files, settings);
    await writeFile(path.join(directory, 'hardware.json'), JSON.stringify(hardware));
    await started.output('mkfs.ext4 -q /dev/disk/by-serial/state && mkdir -p /state && mount /dev/disk/by-serial/state /state');
    await started.put(files, SETTINGS);
    await started.put(path.join(directory, 'hardware.json'), '/state/hardware.json');
    const join = `join --server ${HOST}:${address.port} --fingerprint ${fingerprint} --config ${SETTINGS}`;
    await started.output(
      `mkdir -p -m 700 /state/agent && echo ${site.configuration.createToken()} | ${AGENT}/bin/holdfast-agent ${join}`,
      SLOW,
    );
    const id = site.configuration.members.at(-1)!.id;
    site.assign([id]);
    await site.start();
    note('the agent has joined');

    /** What runs until the guest goes off. */
    let running: Promise<unknown>[] = [];
    const work = (): void => {
      const spoken = createWriteStream(outside, { flags: 'a' });
      const write = started
        .run(`echo $$ > /run/writer.pid; exec ${AGENT}/lib/node /writer/writer.ts 20 ${disks.join(' ')}`, {
          timeoutSeconds: Number.POSITIVE_INFINITY,
        })
        // An unfinished line is ended: the next start goes on behind it.
        .then(({ stdout }) => new Promise<void>((resolve) => spoken.end(`${stdout}\n`, () => resolve())));
      const protect = started.run(
        `echo $$ > /run/agent.pid; exec ${AGENT}/bin/holdfast-agent --config ${SETTINGS} >> /state/agent.log 2>&1`,
        {
          timeoutSeconds: Number.POSITIVE_INFINITY,
        },
      );
      running = [write, protect];
      for (const one of running) one.catch(() => undefined);
    };
    work();
    const { hello } = await site.configuration.agents.stream((stream) => stream.id === id);
    const found = hello.manifest?.disks ?? [];
    const diskIds = DISK_SIZES.map((size) => found.find((disk) => Number(disk.size) === size)!.id);
    site.configuration.agents.setState(id, {
      revision: 1n,
      protection: {
        machineId: idBytes(id),
        diskIds,
        processServers: [`${HOST}:${site.port}`],
        pointIntervalSeconds: 2,
        compression: 'lz4',
      },
    });
    const ids = diskIds.map((one) => Buffer.from(one).toString('hex'));

    const history = async () => {
      const vault = await site.openVault();
      try {
        return { vault, history: await readMachine(vault, id) };
      } catch (reason) {
        await vault.close();
        throw reason;
      }
    };
    const reading = async <T>(read: (of: Awaited<ReturnType<typeof history>>) => Promise<T>): Promise<T> => {
      const opened = await history();
      try {
        return await read(opened);
      } finally {
        await opened.vault.close();
      }
    };
    const pointCount = (): Promise<number> => reading(async (of) => of.history.points.length);
    const settled = async (): Promise<void> => {
      const before = await pointCount().catch(() => 0);
      // The one after the next was begun after this call.
      const enough = async (): Promise<boolean> => (await pointCount().catch(() => 0)) >= before + 2;
      await until('two more points', enough, { seconds: PATIENCE_SECONDS, everyMilliseconds: LOOK_EVERY });
    };

    const offAndOn = async (off: () => Promise<void>): Promise<void> => {
      await off();
      await Promise.allSettled(running);
      await started.output('mkdir -p /state && mount /dev/disk/by-serial/state /state');
      work();
    };

    let pointsTold = 0;
    let generationsTold = 0;
    note('the disks are being copied');
    await settled();
    return {
      reboot: () =>
        offAndOn(async () => {
          // As services would be stopped: who uses a file system keeps it from being unmounted.
          await started.output('kill $(cat /run/agent.pid /run/writer.pid)');
          await Promise.allSettled(running);
          await started.output('umount /state');
          await started.reboot();
        }),
      powerCut: () =>
        offAndOn(async () => {
          await started.powerCut();
          await started.start();
        }),
      settled,
      newPoints: () =>
        reading(async (of) => {
          if (of.history.damage.length > 0) throw new Error(`the vault is damaged: ${JSON.stringify(of.history.damage)}`);
          const points: GuestPoint[] = [];
          for (const { id: pointId, point } of of.history.points.slice(pointsTold)) {
            const images: Buffer[] = [];
            for (const diskId of ids) {
              const view = await openView(of.history, pointId, diskId);
              const image = Buffer.alloc(BLOCKS * BLOCK);
              await view.read(0, image);
              await view.close();
              images.push(image);
            }
            points.push({ id: pointId, time: point.instant?.unixNanos ?? 0n, images });
          }
          pointsTold += points.length;
          return points;
        }),
      newResyncs: () =>
        reading(async (of) => {
          // The first generation of each disk is its first copy.
          const all = [...of.history.generations.values()];
          const first = new Set(ids.map((diskId) => all.find((one) => one.diskId === diskId)));
          const begun = all.slice(generationsTold).filter((one) => !first.has(one));
          generationsTold = all.length;
          return begun.map(({ diskId, generation }) => ({ diskId, reason: generation.detail }));
        }),
      // What was counted stays, also when power is cut: the agent does not write its log out.
      warnings: async () =>
        Number(await started.output(`sync /state/agent.log; grep -c '"code":"CONTINUITY_LOST"' /state/agent.log || true`)),
      spoken: async () => parseSpoken(await readFile(outside, 'utf8')),
      close,
    };
  } catch (reason) {
    await close();
    throw reason;
  }
};
