import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { until } from '../lab/host/until.ts';
import type { LogLine } from './log-lines.ts';
import { createProgramProcess, type ProgramProcess } from './program-process.ts';

/* A program that speaks as ours do, and does as its settings file says. */
const SCRIPT = `
const { readFileSync } = require('node:fs');
const say = (level, message, more) => process.stdout.write(JSON.stringify({ level, message, ...more }) + '\\n');
const wish = readFileSync(process.argv[3], 'utf8');
if (wish === 'die') { say('error', 'It cannot', { error: { message: '[NO_SPACE] disk: full' } }); process.exit(6); }
process.on('SIGTERM', () => { say('info', 'orderly'); process.exit(0); });
process.on('disconnect', () => process.exit(0));
say('info', 'The program does its work', { pid: process.pid, setting: process.env.SETTING });
if (wish === 'later') setTimeout(() => process.exit(3), 50);
setInterval(() => {}, 1000);
`;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'program-'));
  writeFileSync(path.join(directory, 'main.cjs'), SCRIPT);
});
afterEach(() => rmSync(directory, { recursive: true }));

const processFor = (wish: string): { program: ProgramProcess; pids: number[]; lines: LogLine[]; logFile: string } => {
  const [pids, lines]: [number[], LogLine[]] = [[], []];
  const [config, logFile] = [path.join(directory, 'config'), path.join(directory, 'log')];
  writeFileSync(config, wish);
  const program = createProgramProcess({
    name: 'holdfast-x',
    main: path.join(directory, 'main.cjs'),
    config,
    environment: { SETTING: 'given' },
    logFile,
    onStart: (pid) => pids.push(pid),
    onLine: (line) => lines.push(line),
  });
  return { program, pids, lines, logFile };
};

describe('a program in a process of its own', () => {
  it('is ready when it says so; is killed, started again and stopped', async () => {
    const { program, pids, lines, logFile } = processFor('work');
    await program.start();
    program.sample();
    expect(program.cpuSeconds).toBeGreaterThanOrEqual(0);
    await program.kill();
    await program.start();
    await program.stop();
    expect(program.kills).toBe(1);
    expect(pids).toHaveLength(2);
    expect(lines.map(({ message, setting }) => [message, setting])).toEqual([
      ['The program does its work', 'given'],
      ['The program does its work', 'given'],
      ['orderly', undefined],
    ]);
    for (const pid of pids) expect(existsSync(`/proc/${pid}`)).toBe(false);
    await until('the log is written', () => readFileSync(logFile, 'utf8').includes('orderly'), { seconds: 50 });
    await program.stop();
  });

  it('says in its last words why it did not start', async () => {
    const { program } = processFor('die');
    await expect(program.start()).rejects.toThrow(/holdfast-x: it ended unasked with status 6: It cannot: \[NO_SPACE\] disk: full/);
  });

  it('fails when it ends unasked, and can be started again', async () => {
    const { program, pids } = processFor('later');
    await program.start();
    expect(program.pid).toBe(pids[0]);
    await program.ended;
    await expect(program.failure).rejects.toThrow(/it ended unasked with status 3/);
    await program.start();
    expect(program.pid).toBe(pids[1]);
    await program.ended;
    expect(program.pid).toBeUndefined();
  });
});
