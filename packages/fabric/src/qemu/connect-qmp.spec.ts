import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectUnix } from './connect-qmp.ts';

const LISTEN = `require('node:net').createServer(() => {}).listen({ path: process.argv[1], backlog: 1 }, () => console.log('listening'))`;

it('waits for its turn where others were turned away, and not for one that is not there', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'hf-turn-'));
  const socket = path.join(directory, 's');
  // As busy as can be: it stands still.
  const busy = spawn(process.execPath, ['-e', LISTEN, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await new Promise((resolve) => busy.stdout.once('data', resolve));
    busy.kill('SIGSTOP');
    const connecting = Promise.all(Array.from({ length: 8 }, () => connectUnix(socket)));
    const early = await Promise.race([connecting, sleep(200)]);
    expect(early).toBeUndefined();
    busy.kill('SIGCONT');
    for (const connected of await connecting) connected.destroy();
    await expect(connectUnix(path.join(directory, 'none'))).rejects.toMatchObject({ code: 'FABRIC_FAILED' });
  } finally {
    busy.kill('SIGKILL');
    await rm(directory, { recursive: true });
  }
});
