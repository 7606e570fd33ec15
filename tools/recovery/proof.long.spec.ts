// A real machine, started out of a vault by the command alone, adapted, looked at, and taken away.
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createQemuFabric } from '@holdfast/fabric';
import { until } from '../lab/host/until.ts';
import { MINI_TOOLS } from '../mini-image/index.ts';
import { commandIn, runningCommand } from './command-process.ts';
import { type MiniVault, makeMiniVault } from './make-vault.ts';

describe.unless(lacks('root', 'nbdfuse', 'qemu-system-x86_64', 'qemu-img', ...MINI_TOOLS), 'the proof of a point', () => {
  let directory: string;
  let vault: MiniVault;
  const at = (name: string): string => path.join(directory, name);
  const run = (...args: string[]) => runningCommand(...args, '--vault', vault.url, '--key-file', vault.keyFile).ended;
  const prove = (...args: string[]) => run('recover', 'prove', '--directory', at('r'), ...args, '--output', 'json');

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'hf-proof-'));
    vault = await makeMiniVault(`file:${at('vault')}`, at('key'));
  });
  afterAll(async () => {
    // Of a command that had to be killed.
    const fabric = createQemuFabric({ directory: path.join(at('r'), 'machines') });
    for (const { operationId } of await fabric.list()) await fabric.remove(operationId);
    await rm(directory, { recursive: true, force: true });
  });

  const nothingLeft = async (): Promise<void> => {
    expect(await createQemuFabric({ directory: path.join(at('r'), 'machines') }).list()).toEqual([]);
    expect(await readdir(path.join(at('r'), 'recoveries')).catch(() => [])).toEqual([]);
    expect((await readFile('/proc/self/mountinfo', 'utf8')).includes(directory)).toBe(false);
  };

  it('is signed, kept with the point, verified, and leaves nothing else', async () => {
    await writeFile(at('check'), '#!/bin/sh\ngrep -q payload=good "$HOLDFAST_CONSOLE" && echo the payload is good\n', { mode: 0o755 });
    const proven = await prove('--console', 'HOLDFAST-BOOT-OK', '--fsck', '--script', at('check'), '--patience', '5min');
    expect(proven).toMatchObject({ status: 0, stderr: expect.stringContaining('well  console: ') });
    const { passed, steps, signer } = JSON.parse(proven.stdout);
    expect({ passed, names: steps.map(({ name }: { name: string }) => name) }).toEqual({
      passed: true,
      names: ['file systems', 'start', 'console', 'script'],
    });
    expect(steps.at(-1).detail).toBe('the payload is good');
    await nothingLeft();

    const listed = await run('recover', 'proofs', '--signer', signer, '--to', at('proofs'), '--output', 'json');
    expect(listed.status).toBe(0);
    expect(JSON.parse(listed.stdout)).toMatchObject([{ proof: 1, point: vault.pointId, passed: true, faults: [] }]);
    expect(await readFile(at('proofs/1-console.txt'), 'utf8')).toContain('HOLDFAST-BOOT-OK');
    expect((await readFile(at('proofs/1-screen.png'))).subarray(1, 4).toString()).toBe('PNG');
    // Somebody whom nobody trusts.
    expect(await run('recover', 'proofs', '--signer', '0'.repeat(64))).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('nobody here trusts'),
    });
    expect((await run('vault', 'points')).stdout).toContain(`Last proven point: ${vault.pointId}`);
  });

  it('is none of a machine that does not come up as it should, and that is recorded too', async () => {
    const failed = await prove('--console', 'a line that it never prints', '--port', '22', '--patience', '20s');
    expect(failed).toMatchObject({ status: 1 });
    const { passed, steps } = JSON.parse(failed.stdout);
    expect({ passed, steps }).toMatchObject({
      passed: false,
      steps: [
        { name: 'start', passed: true },
        { name: 'console', passed: false, detail: expect.stringContaining('TIMED_OUT') },
        { name: 'tcp 22', passed: false },
      ],
    });
    await nothingLeft();
    const listed = JSON.parse((await run('recover', 'proofs', '--output', 'json')).stdout);
    expect(listed.map((one: { passed: boolean }) => one.passed)).toEqual([false, true]);
  });

  it('is given up within a check of file systems that does not end, and leaves nothing', async () => {
    await mkdir(at('bin'));
    const told = at('checking');
    const proofs = async (): Promise<number> => JSON.parse((await run('recover', 'proofs', '--output', 'json')).stdout).length;
    const before = await proofs();
    await writeFile(path.join(at('bin'), 'e2fsck'), `#!/bin/sh\necho $$ > '${told}'\nexec sleep 3600\n`, { mode: 0o755 });
    const args = ['recover', 'prove', '--directory', at('r'), '--fsck', '--vault', vault.url, '--key-file', vault.keyFile];
    const proving = commandIn({ PATH: `${at('bin')}:${process.env['PATH']}` }, args);
    try {
      let pid = Number.NaN;
      const begun = async (): Promise<boolean> => {
        pid = Number((await readFile(told, 'utf8').catch(() => '')).trim() || Number.NaN);
        return pid > 0;
      };
      await until('the check of file systems', begun, { seconds: 120 });
      const since = performance.now();
      proving.process.kill('SIGINT');
      expect((await proving.ended).status).toBe(130);
      expect(performance.now() - since).toBeLessThan(60_000);
      expect(existsSync(`/proc/${pid}`)).toBe(false);
      await nothingLeft();
      expect(await proofs()).toBe(before);
    } finally {
      proving.kill();
      await proving.ended;
    }
  });
});
