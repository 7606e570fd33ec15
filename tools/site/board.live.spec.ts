import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { boardMetrics } from '../docs/board.ts';
import { until } from '../lab/host/until.ts';
import { createPerson, outputOf, runProcess } from './cli-process.ts';
import { startConfigurationServer } from './configuration-server.ts';
import { freePort } from './free-port.ts';
import { mainOf } from './from-source.ts';
import { createProgramProcess, type ProgramProcess } from './program-process.ts';
import { writeSettings } from './settings-files.ts';

const HOST = '127.0.0.1';

it('every panel of the Grafana board names a metric that a program exports', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'board-'));
  const running: ProgramProcess[] = [];
  try {
    const own = await freePort();
    const server = await startConfigurationServer({ directory: path.join(directory, 'configuration-server'), http: `${HOST}:${own}` });
    running.push(server.process);
    const pages = [new URL(`http://${HOST}:${own}/metrics`)];
    const person = createPerson(path.join(directory, 'contexts'));
    await person.json(['login', '--server', server.url, '--fingerprint', server.fingerprint, '--name', 'board'], {
      input: server.administratorToken,
    });
    for (const [role, room] of [
      ['process-server', 'process-server'],
      ['agent', 'mobility-agent'],
    ] as const) {
      const http = `${HOST}:${await freePort()}`;
      const { config, logFile } = writeSettings(directory, role, {
        http: { listen: http },
        ...(role === 'process-server' ? { replication: { listen: `${HOST}:0` } } : {}),
      });
      const { secret } = await person.json<{ secret: string }>(['token', 'create', '--role', role]);
      const args = ['join', '--config', config, '--server', `${HOST}:${server.port}`, '--fingerprint', server.fingerprint];
      outputOf('join', await runProcess(mainOf(room), args, { input: `${secret}\n` }));
      const program = createProgramProcess({ name: `holdfast-${role}`, main: mainOf(room), config, logFile });
      running.push(program);
      await program.start();
      pages.push(new URL(`http://${http}/metrics`));
    }
    let exported = new Set<string>();
    // What an agent does for its site it counts from the time on that it is a member.
    await until(
      'the metrics of an agent',
      async () => {
        const texts = await Promise.all(pages.map(async (page) => (await fetch(page)).text()));
        exported = new Set(texts.flatMap((text) => Array.from(text.matchAll(/^# TYPE (\S+) /gm), ([, name]) => name!)));
        return exported.has('holdfast_agent_churn_seconds');
      },
      { seconds: 120 },
    );
    expect(boardMetrics().filter((name) => !exported.has(name))).toEqual([]);
    // The control: a name nobody exports would have been found.
    expect(exported.has('holdfast_machine_rpo_hours')).toBe(false);
  } finally {
    for (const program of running.reverse()) await program.stop();
    await rm(directory, { recursive: true, force: true });
  }
}, 240_000);
