import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createTestWorld, type TestWorld } from '../testing/run-command.ts';

const ONE = 'a1'.repeat(16);
const OTHER = 'a2'.repeat(16);

let world: TestWorld;
let directory: string;
beforeEach(async () => {
  world = createTestWorld();
  directory = await mkdtemp(path.join(tmpdir(), 'recover-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** As a recovery leaves it that was cut short before its machine was made. */
const keep = async (operationId: string, name: string): Promise<void> => {
  const own = path.join(directory, 'recoveries', operationId);
  await mkdir(own, { recursive: true });
  const record = {
    operationId,
    vaultId: 'bb'.repeat(16),
    machineId: 'cc'.repeat(16),
    pointId: 'dd'.repeat(16),
    name,
    created: 1,
    pointTime: 2,
  };
  await writeFile(path.join(own, 'recovery.json'), JSON.stringify(record));
};

const run = (...args: string[]) => world.run(['recover', ...args, '--directory', directory]);

it('has nothing to list on a bare host', async () => {
  expect(await run('ls', '--output', 'json')).toMatchObject({ status: 0, stdout: '[]\n' });
});

it('lists what a crash left half made, and discards it', async () => {
  await keep(ONE, 'db1');
  const { stdout } = await run('ls', '--output', 'json');
  expect(JSON.parse(stdout)).toMatchObject([{ operation: ONE, name: 'db1', state: 'half made', served: false, held: false }]);
  expect(await run('discard', 'db1')).toMatchObject({ status: 0 });
  expect(await run('ls', '--output', 'json')).toMatchObject({ stdout: '[]\n' });
});

it('says which are meant, or that none is', async () => {
  await keep(ONE, 'db1');
  await keep(OTHER, 'db1');
  const several = await run('stop', 'db1');
  expect(several).toMatchObject({ status: 2, stderr: expect.stringContaining(`${ONE} (db1), ${OTHER} (db1)`) });
  expect(await run('stop', 'web')).toMatchObject({ status: 4, stderr: expect.stringContaining('[RESOURCE_NOT_FOUND]') });
  expect(await run('discard', 'a2')).toMatchObject({ status: 0 });
  expect(JSON.parse((await run('ls', '--output', 'json')).stdout)).toHaveLength(1);
});

it.each([
  ['--network', 'somewhere'],
  ['--forward', '22'],
  ['--controller', 'floppy'],
  ['--cpus', '0'],
])('refuses %s %s before it opens anything', async (option, value) => {
  const { status, stderr } = await run('boot', '--vault', 'memory:none', '--key-file', '/nowhere', option, value);
  expect([status, stderr]).toEqual([2, expect.stringContaining('[SETTING_INVALID]')]);
});
