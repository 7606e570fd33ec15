import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createQemuFabric, type MachineStatus } from '@holdfast/fabric';
import { openStore } from '@holdfast/object-store';
import { listHolds, openVault, readKeyFile } from '@holdfast/vault';
import { MINI_MARKER, MINI_PASSWORD, MINI_TOOLS } from '../mini-image/index.ts';
import { type RunningCommand, runningCommand } from './command-process.ts';
import { openSession } from './console-session.ts';
import { type MiniVault, makeMiniVault } from './make-vault.ts';

/** Ten times what a busy machine with an emulated processor takes. */
const PATIENCE = 120_000;

describe.unless(lacks('qemu-system-x86_64', 'qemu-img', ...MINI_TOOLS), 'a machine started from a vault alone', () => {
  let directory: string;
  let vault: MiniVault;
  const place = (): string => path.join(directory, 'r');
  const fabric = () => createQemuFabric({ directory: path.join(place(), 'machines') });
  const recover = (...args: string[]) => runningCommand('recover', ...args, '--directory', place());
  const withVault = (...args: string[]) => recover(...args, '--vault', vault.url, '--key-file', vault.keyFile);
  const only = async (): Promise<MachineStatus> => (await fabric().list())[0]!;

  const until = async (what: string, isSo: (status: MachineStatus) => boolean): Promise<void> => {
    for (const end = performance.now() + PATIENCE; !isSo(await only()); await sleep(50))
      if (performance.now() > end) throw new Error(`not ${what}: ${JSON.stringify(await only())}`);
  };

  /** What the machine does while a command looks after it: one that ends without letting it go on is told at once, with its words. */
  const besides = async <T>(command: RunningCommand, work: Promise<T>): Promise<T> => {
    const ended = command.ended.then(async ({ status, stderr }) => {
      const machine = await only();
      if (status === 0 && machine.state === 'running') return work;
      throw new Error(`it ended with ${status} and left ${JSON.stringify(machine)}: ${stderr}`);
    });
    ended.catch(() => undefined);
    return Promise.race([work, ended]).catch(async (reason: Error) => {
      throw new Error(`${reason.message}\nthe machine: ${JSON.stringify(await only())}`, { cause: reason });
    });
  };

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'hf-boot-'));
    vault = await makeMiniVault(`file:${path.join(directory, 'vault')}`, path.join(directory, 'key'));
  });

  afterAll(async () => {
    for (const { operationId } of await fabric().list()) await fabric().remove(operationId);
    await rm(directory, { recursive: true, force: true });
  });

  const holds = async (): Promise<number> => {
    const opened = await openVault(await openStore(vault.url), await readKeyFile(vault.keyFile));
    try {
      return (await listHolds(opened, vault.machineId)).length;
    } finally {
      await opened.close();
    }
  };

  it('starts, outlives who started it, is taken up again, becomes independent, and leaves nothing', async () => {
    const boot = withVault('boot', '--no-adapt', '--output', 'json');
    const { operation, consoleLog } = JSON.parse((await boot.written(/^\{[\s\S]*\n\}\n/))[0]) as Record<string, string>;
    const console = openSession(await (await fabric().console(operation!)).open());
    const [line] = await console.expect(MINI_MARKER, PATIENCE);
    expect(line).toContain('boots=1 payload=good firmware=bios disk=vda2');
    expect(await holds()).toBe(1);
    await console.logIn(MINI_PASSWORD, PATIENCE);

    // Nobody serves it: it stands still at the first thing it needs, and goes on when somebody does.
    boot.kill();
    await boot.ended;
    const reading = console.run('echo 3 >/proc/sys/vm/drop_caches; sha256sum -c /payload.sha256; echo kept >/kept; sync', PATIENCE);
    await until('paused', ({ pause }) => pause === 'io');
    const again = withVault('boot', '--no-adapt', '--operation', operation!, '--hydrate');
    expect(await besides(again, reading)).toMatchObject({ status: 0, output: expect.stringContaining('payload: OK') });
    expect(await again.ended).toMatchObject({ status: 0, stderr: expect.stringContaining('needs the vault no more') });
    expect(await only()).toMatchObject({ state: 'running', disks: [{ hydrated: true }] });
    expect(await holds()).toBe(0);

    // Without any vault: what was written is there after a start that is not the first.
    await rm(path.join(directory, 'vault'), { recursive: true });
    expect(await recover('stop').ended).toMatchObject({ status: 0, stdout: expect.stringContaining('is off.') });
    expect(await readFile(consoleLog!, 'utf8')).toContain('Power down');
    await fabric().start(operation!);
    const after = openSession(await (await fabric().console(operation!)).open());
    expect((await after.expect(MINI_MARKER, PATIENCE))[0]).toContain('boots=2 payload=good');
    expect(await recover('discard').ended).toMatchObject({ status: 0 });
    expect(await fabric().list()).toEqual([]);
  });
});
