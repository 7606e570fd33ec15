import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import type { Hrl } from './hrl.ts';
import { inspectHrl } from './inspect.ts';
import { openHrl } from './open-hrl.ts';
import { commitCut, MACHINE, readBack } from './testing/scripted-cuts.ts';

const KILLS = 40;
const MIB = 1024 * 1024;

describe('the agent log of a process that is really killed', () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'hrl-kill-'));
  const hotDirectory = fs.mkdtempSync('/dev/shm/hrl-kill-');

  afterAll(() => {
    for (const one of [directory, hotDirectory]) fs.rmSync(one, { recursive: true });
  });

  const open = (): Promise<Hrl> =>
    openHrl({ machineId: MACHINE, directory, hot: { directory: hotDirectory, bytes: 3 * MIB }, quotaBytes: 8 * MIB, segmentBytes: MIB });

  /** Lets a process work until it has said `lines` lines, kills it, and gives back all it said. */
  const workAndKill = async (lines: number): Promise<string[]> => {
    const script = path.join(__dirname, 'testing/kill-target.ts');
    const child = spawn(process.execPath, ['--conditions=@holdfast/source', script, directory, hotDirectory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const said: string[] = [];
    for await (const line of readline.createInterface({ input: child.stdout })) {
      said.push(line);
      if (said.length === lines) child.kill('SIGKILL');
    }
    return said;
  };

  it(`has every cut whose commit returned, in ${KILLS} kills`, async () => {
    let expected: string[] = [];
    let commits = 0;
    for (let kill = 0; kill < KILLS; kill += 1) {
      const said = await workAndKill(2 + ((kill * 7919) % 60));
      expect(said[0]).toBe(kill === 0 ? 'open fresh' : 'open same');
      for (const line of said) {
        const [verb, ...rest] = line.split(' ');
        if (verb === 'commit') expected.push(rest.join(' '));
        if (verb === 'free') expected = expected.filter((print) => !print.startsWith(rest[0]!));
        if (verb === 'commit') commits += 1;
      }
      const hrl = await open();
      const found = await readBack(hrl);
      await hrl.close();
      // One step may have been done without having been said: the newest commit, or freeing the oldest.
      const unsaid = [expected, expected.slice(1), ...(found.length > 0 ? [[...expected, found.at(-1)!]] : [])];
      expect(unsaid).toContainEqual(found);
      expected = found;
    }
    expect(commits).toBeGreaterThan(KILLS);
  });

  it('belongs to one process at a time', async () => {
    const hrl = await open();
    await expect(open()).rejects.toMatchObject({ code: 'AGENT_RUNNING', thing: expect.stringContaining(directory) });
    await hrl.close();
    await (await open()).close();
  });

  it('is printed for people while a process works with it', async () => {
    const hrl = await open();
    const committed = commitCut(hrl, [[1000], [0]]);
    const dump = [...inspectHrl({ directory, hotDirectory })];
    expect(dump[0]).toContain(`of machine ${MACHINE}`);
    expect(dump.filter((line) => line.includes(`cut ${committed.id}, committed`))).toHaveLength(1);
    expect(dump.join('\n')).not.toContain('DAMAGED');
    await hrl.close();
  });

  it('takes its room on the device once and for all', async () => {
    const hrl = await open();
    for (const file of hrl.files()) {
      const { size, blocks } = fs.statSync(file);
      expect(blocks * 512).toBeGreaterThanOrEqual(size);
    }
    await hrl.close();
  });
});
