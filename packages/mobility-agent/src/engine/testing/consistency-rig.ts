import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { idBytes, newId, type PointKind } from '@holdfast/protocol';
import type { HoldPlaces } from '../../consistency/plan-hold.ts';
import { type MountedDisk, mountDisk } from '../../hold/testing/mounted-disk.ts';
import { WATCHDOG_COMMAND } from '../../hold/testing/watchdog-command.ts';
import { until } from '../../sender/testing/until.ts';
import { type EngineRig, openEngineRig } from './engine-rig.ts';

const MIB = 1024 * 1024;
/** Room for what is written while a busy machine lets nobody look. */
const TRACE_BUFFER = 64 * MIB;
/** Milliseconds for a point on a busy machine. */
const PATIENCE = 120_000;

export interface AskedPoint {
  readonly answer: NonNullable<EngineRig['engine']['status']['pointAnswer']>;
  /** The disks as the vault holds them, by path. */
  readonly vault: Map<string, Buffer>;
}

/** An engine over mounted disks (kinds and megabytes, or ready ones), scripts for it, and points that are asked for. */
export interface ConsistencyRig {
  readonly rig: EngineRig;
  readonly disks: readonly MountedDisk[];
  /** A directory of the test's own; scripts are in it. */
  readonly folder: string;
  /** Puts a script where the engine looks for it; gives its file. */
  addScript(name: string, text: string): string;
  ask(kind: PointKind): Promise<AskedPoint>;
  close(): Promise<void>;
}

export const openConsistencyRig = async (
  kinds: readonly (readonly ['ext4' | 'xfs', number] | MountedDisk)[],
  change: Partial<HoldPlaces> = {},
): Promise<ConsistencyRig> => {
  // Scripts in a directory that others may write to are refused: not below /tmp.
  const folder = fs.mkdtempSync(path.join(os.homedir(), '.holdfast-consistency-'));
  const scripts = path.join(folder, 'scripts');
  fs.mkdirSync(scripts);
  const machineId = newId();
  const log = `/dev/shm/holdfast-${machineId}-hold`;
  const hold: HoldPlaces = { machineId, watchdog: WATCHDOG_COMMAND, scripts, scriptLimit: 20_000, log, kept: [], ...change };
  const disks = kinds.map((kind) => ('mountPoint' in kind ? kind : mountDisk(kind[0], kind[1] * MIB)));
  const paths = disks.map(({ disk }) => disk.path);
  const rig = await openEngineRig(paths, { hold, trace: { bufferBytes: TRACE_BUFFER, memoryDirectory: '/dev/shm' } });
  rig.protect(paths);
  await rig.point();
  return {
    rig,
    disks,
    folder,
    addScript(name, text) {
      const file = path.join(scripts, name);
      fs.writeFileSync(file, text, { mode: 0o755 });
      return file;
    },
    async ask(kind) {
      const id = newId();
      rig.protect(paths, { hold: 'never', holdLimitMilliseconds: 20_000, pointRequest: { id: idBytes(id), kind } });
      const describe = () => rig.events.map(({ code, text }) => `${code} ${text}`);
      await until('it is answered', () => rig.engine.status.pointAnswer?.requestId === id, describe, PATIENCE);
      const answer = rig.engine.status.pointAnswer!;
      await until('it is durable', () => rig.engine.status.pointAnswer?.durable === true, describe, PATIENCE);
      return { answer, vault: await rig.stateOf(answer.cutId!) };
    },
    async close() {
      await rig.close();
      for (const disk of disks) await disk.close();
      fs.rmSync(folder, { recursive: true });
    },
  };
};

/** True when an ext4 was not at rest: its journal has to be recovered (EXT3_FEATURE_INCOMPAT_RECOVER in its superblock). */
export const needsRecovery = (image: Buffer): boolean => (image.readUInt32LE(1024 + 0x60) & 4) !== 0;

// The disk it is a copy of is mounted too.
const RECOVERED = { ext4: 'loop', xfs: 'loop,nouuid' };
const NOTHING_RECOVERED = { ext4: 'ro,loop,noload', xfs: 'ro,loop,norecovery,nouuid' };

/** Mounts an image for the time of `look`; unless `recover`, exactly as it is, without its journal. */
export const withImage = async <T>(
  image: Buffer,
  type: 'ext4' | 'xfs',
  recover: boolean,
  look: (mountPoint: string) => T | Promise<T>,
): Promise<T> => {
  const folder = fs.mkdtempSync('/dev/shm/holdfast-image-');
  // Servers that look into it run as users of their own.
  fs.chmodSync(folder, 0o711);
  const mountPoint = path.join(folder, 'mounted');
  fs.writeFileSync(path.join(folder, 'image'), image);
  fs.mkdirSync(mountPoint);
  try {
    const options = recover ? RECOVERED[type] : NOTHING_RECOVERED[type];
    execFileSync('mount', ['-o', options, path.join(folder, 'image'), mountPoint], { stdio: 'pipe' });
    try {
      return await look(mountPoint);
    } finally {
      execFileSync('umount', [mountPoint]);
    }
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
};
