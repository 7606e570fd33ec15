import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createGuestHome } from './home.ts';

let parent: string;
beforeEach(async () => {
  parent = await mkdtemp(path.join(tmpdir(), 'homes-'));
});
afterEach(() => rm(parent, { recursive: true }));

it('lives until it is removed', async () => {
  const home = await createGuestHome(parent);
  expect(existsSync(home.directory)).toBe(true);
  await home.remove();
  await home.remove();
  expect(await readdir(parent)).toEqual([]);
});

it('clears away what dead processes left, and nothing else', async () => {
  const { pid: dead } = spawnSync(process.execPath, ['--version']);
  const kept = [`holdfast-guest-${process.ppid}-theirs`, `holdfast-guest-x`, `other-${dead}-x`];
  for (const name of [...kept, `holdfast-guest-${dead}-abc`]) await mkdir(path.join(parent, name));
  const home = await createGuestHome(parent);
  expect((await readdir(parent)).sort()).toEqual([...kept, path.basename(home.directory)].sort());
  await home.remove();
});

const END_WITH_A_HOME = `
  import { createGuestHome } from ${JSON.stringify(path.join(__dirname, 'home.ts'))};
  await createGuestHome(process.argv[1]);
`;

it.each([
  ['the end of its process', '', 0],
  ['an uncaught error', 'throw new Error("on purpose");', 1],
  ['Ctrl-C', 'process.kill(process.pid, "SIGINT"); setInterval(() => {}, 1000);', 130],
  ['SIGTERM', 'process.kill(process.pid, "SIGTERM"); setInterval(() => {}, 1000);', 143],
])('is removed by %s', async (_how, ending, status) => {
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', END_WITH_A_HOME + ending, parent]);
  expect(child.status).toBe(status);
  expect(await readdir(parent)).toEqual([]);
});
