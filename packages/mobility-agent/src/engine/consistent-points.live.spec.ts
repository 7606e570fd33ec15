import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { idBytes, newId, PointKind } from '@holdfast/protocol';
import type { HoldPlaces } from '../consistency/plan-hold.ts';
import { KEEPER_COMMAND } from '../hold/testing/keeper-command.ts';
import { type MountedDisk, mountDisk } from '../hold/testing/mounted-disk.ts';
import { until } from '../sender/testing/until.ts';
import { type EngineRig, openEngineRig } from './testing/engine-rig.ts';

const MIB = 1024 * 1024;

/** Moves money from one file system to the other, for ever, and stops between two moves while the gate is held. Each move syncs. */
const BANK = `
import fcntl, os, sys
left, right, gate = sys.argv[1:4]
def write(folder, value):
    with open(folder + '/next', 'w') as f:
        f.write(str(value)); f.flush(); os.fsync(f.fileno())
    os.rename(folder + '/next', folder + '/balance')
n = 0
while True:
    with open(gate, 'w') as g:
        fcntl.flock(g, fcntl.LOCK_EX)
        n += 1
        write(left, -n)
        write(right, n)
    print(n, flush=True)
`;

/** Closes the gate in a process of its own until `post`. */
const GATE_SCRIPT = (gate: string): string => `#!/bin/sh
set -e
case $1 in
  pre)
    mkfifo $HOLDFAST_RUN_DIRECTORY/held
    flock ${gate} sh -c "echo held > $HOLDFAST_RUN_DIRECTORY/held; sleep 1000" > /dev/null 2>&1 &
    read word < $HOLDFAST_RUN_DIRECTORY/held;;
  post) echo reopened >> ${gate}.log;;
esac
`;

describe.unless(lacks('root', 'losetup', 'mkfs.ext4', 'mkfs.xfs', 'python3'), 'consistent points', () => {
  const undo: (() => unknown)[] = [];
  afterEach(async () => {
    for (const step of undo.splice(0).reverse()) await step();
  });

  const place = (): { folder: string; places: HoldPlaces; addScript(name: string, text: string): void } => {
    // Scripts in a directory that others may write to are refused.
    const folder = fs.mkdtempSync('/root/holdfast-consistency-');
    undo.push(() => fs.rmSync(folder, { recursive: true, force: true }));
    const scripts = path.join(folder, 'scripts');
    fs.mkdirSync(scripts);
    const machineId = newId();
    return {
      folder,
      places: { machineId, keeper: KEEPER_COMMAND, scripts, scriptLimit: 20_000, log: `/dev/shm/holdfast-${machineId}-hold`, kept: [] },
      addScript: (name, text) => fs.writeFileSync(path.join(scripts, name), text, { mode: 0o755 }),
    };
  };
  const mounted = (type: 'ext4' | 'xfs'): MountedDisk => {
    const one = mountDisk(type, 320 * MIB);
    undo.push(() => one.close());
    return one;
  };
  const rigOf = async (disks: readonly MountedDisk[], places: HoldPlaces): Promise<EngineRig> => {
    const paths = disks.map(({ disk }) => disk.path);
    const rig = await openEngineRig(paths, { hold: places });
    undo.push(() => rig.close());
    rig.protect(paths);
    await rig.point();
    return rig;
  };
  /** Asks for a point of a kind; gives what became of it and the disks in the vault. */
  const ask = async (rig: EngineRig, disks: readonly MountedDisk[], kind: PointKind) => {
    const id = newId();
    const paths = disks.map(({ disk }) => disk.path);
    rig.protect(paths, { hold: 'never', holdLimitMilliseconds: 20_000, pointRequest: { id: idBytes(id), kind } });
    const describe = () => rig.events.map(({ code, text }) => `${code} ${text}`);
    await until('it is answered', () => rig.engine.status.pointAnswer?.requestId === id, describe);
    const answer = rig.engine.status.pointAnswer!;
    await until('it is durable', () => rig.engine.status.pointAnswer?.durable === true, describe);
    return { answer, vault: await rig.stateOf(answer.cutId!) };
  };
  /** Looks at the files of an image as they are, nothing recovered from its journal. */
  const readImage = (image: Buffer, type: 'ext4' | 'xfs', file: string): string => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-image-'));
    fs.writeFileSync(`${folder}/image`, image);
    fs.mkdirSync(`${folder}/mounted`);
    const options = type === 'ext4' ? 'ro,loop,noload' : 'ro,loop,norecovery,nouuid';
    try {
      execFileSync('mount', ['-o', options, `${folder}/image`, `${folder}/mounted`], { stdio: 'pipe' });
      try {
        return fs.readFileSync(`${folder}/mounted/${file}`, 'utf8');
      } finally {
        execFileSync('umount', [`${folder}/mounted`]);
      }
    } catch (reason) {
      return `unreadable: ${(reason as Error).message.slice(0, 100)}`;
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  };
  const needsRecovery = (image: Buffer): boolean => (image.readUInt32LE(1024 + 0x60) & 4) !== 0;
  const startBank = async (disks: readonly MountedDisk[], gate: string): Promise<() => Promise<void>> => {
    const [left, right] = disks.map(({ mountPoint }) => mountPoint) as [string, string];
    const bank = spawn('python3', ['-c', BANK, left, right, gate], { stdio: ['ignore', 'pipe', 'inherit'] });
    const stop = async (): Promise<void> => {
      if (bank.exitCode !== null || bank.signalCode !== null) return;
      bank.kill('SIGKILL');
      await once(bank, 'exit');
    };
    undo.push(stop);
    let moves = 0;
    bank.stdout.on('data', () => (moves += 1));
    await until('it moves money', () => moves > 5);
    return stop;
  };

  it('applications are between two of their transactions, files are whole without recovery; a crash-consistent point has neither', async () => {
    const { places, folder, addScript } = place();
    const disks = [mounted('ext4'), mounted('xfs')];
    const gate = path.join(folder, 'gate');
    addScript('10-bank', GATE_SCRIPT(gate));
    const rig = await rigOf(disks, places);
    const stop = await startBank(disks, gate);
    const [left, right] = disks.map(({ disk }) => disk.path) as [string, string];
    const sumOf = (vault: Map<string, Buffer>): number =>
      Number(readImage(vault.get(left)!, 'ext4', 'balance')) + Number(readImage(vault.get(right)!, 'xfs', 'balance'));

    for (let turn = 0; turn < 3; turn += 1) {
      const { answer, vault } = await ask(rig, disks, PointKind.APPLICATION);
      expect([answer.kind, answer.problem?.message]).toEqual([PointKind.APPLICATION, undefined]);
      expect(sumOf(vault)).toBe(0);
      expect(needsRecovery(vault.get(left)!)).toBe(false);
    }
    expect(rig.server.vault.findLast(({ cut }) => cut.point !== undefined)!.cut.point!.kind).toBe(PointKind.APPLICATION);
    // Frozen, but in the middle of anything.
    const frozen = await ask(rig, disks, PointKind.FILESYSTEM);
    expect(frozen.answer.kind).toBe(PointKind.FILESYSTEM);
    expect(needsRecovery(frozen.vault.get(left)!)).toBe(false);
    expect(readImage(frozen.vault.get(left)!, 'ext4', 'balance')).toMatch(/^-\d+$/);

    // Without all that the same oracles find what is missing.
    let broken = 0;
    for (let tries = 0; tries < 20 && broken === 0; tries += 1) {
      const { answer, vault } = await ask(rig, disks, PointKind.CRASH);
      expect(answer.kind).toBe(PointKind.CRASH);
      expect(needsRecovery(vault.get(left)!)).toBe(true);
      if (sumOf(vault) !== 0) broken += 1;
    }
    expect(broken).toBe(1);
    await stop();
    expect(fs.readFileSync(`${gate}.log`, 'utf8').trim().split('\n')).toHaveLength(3);
    expect(rig.server.violations).toEqual([]);
  });

  it('a script that fails, hangs or could be changed by others costs the kind of the point, and applications go on', async () => {
    const { places, folder, addScript } = place();
    const disks = [mounted('ext4')];
    const told = path.join(folder, 'told');
    const script = (name: string, rest: string): void => addScript(name, `#!/bin/sh\necho ${name} $1 >> ${told}\n${rest}\n`);
    script('10-first', '');
    script('20-bad', '[ $1 = post ] || { echo the disk is on fire; exit 3; }');
    script('30-never', '');
    const rig = await rigOf(disks, { ...places, scriptLimit: 1000 });
    const failing = await ask(rig, disks, PointKind.APPLICATION);
    expect(failing.answer).toMatchObject({ kind: PointKind.CRASH, problem: { code: 'SCRIPT_FAILED' } });
    expect(failing.answer.problem!.message).toMatch(/20-bad pre.*status 3.*the disk is on fire/);
    expect(fs.readFileSync(told, 'utf8').trim().split('\n')).toEqual(['10-first pre', '20-bad pre', '20-bad post', '10-first post']);
    expect(rig.events.filter(({ severity }) => severity === 'warning').map(({ code }) => code)).toEqual(['SCRIPT_FAILED']);

    fs.rmSync(told);
    script('20-bad', '[ $1 = post ] || sleep 1000');
    const hanging = await ask(rig, disks, PointKind.APPLICATION);
    expect(hanging.answer.problem!.message).toMatch(/20-bad pre.*longer than 1 s/);
    expect(fs.readFileSync(told, 'utf8').trim().split('\n')).toEqual(['10-first pre', '20-bad pre', '20-bad post', '10-first post']);

    fs.rmSync(told);
    script('20-bad', '');
    fs.chmodSync(path.join(places.scripts, '30-never'), 0o777);
    const refused = await ask(rig, disks, PointKind.APPLICATION);
    expect(refused.answer).toMatchObject({ kind: PointKind.CRASH, problem: { code: 'SCRIPT_REFUSED' } });
    expect(refused.answer.problem!.message).toContain('30-never');
    expect(fs.existsSync(told)).toBe(false);
    fs.chmodSync(path.join(places.scripts, '30-never'), 0o755);
    expect((await ask(rig, disks, PointKind.APPLICATION)).answer.kind).toBe(PointKind.APPLICATION);
  });

  it('they come by themselves at their interval, and without scripts are filesystem-consistent', async () => {
    const { places } = place();
    const disks = [mounted('ext4')];
    const rig = await rigOf(disks, places);
    const kinds = (): PointKind[] => rig.server.vault.flatMap(({ cut }) => cut.point?.kind ?? []);
    rig.protect([disks[0]!.disk.path], { applicationIntervalSeconds: 2 });
    await until('there are two', () => kinds().filter((kind) => kind === PointKind.FILESYSTEM).length >= 2);
    rig.protect([disks[0]!.disk.path], { applicationIntervalSeconds: 0 });
    expect(rig.events.some(({ code }) => code === 'POINT_CONSISTENT')).toBe(true);
  });
});
