import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

const BOOTSTRAP = path.join(__dirname, 'bootstrap.cjs');
const LAUNCH = path.join(__dirname, 'setup/launch.cjs');

/** Runs node without a terminal; `whenItSays` is called with the child at its first words. */
const node = async (args: string[], whenItSays?: (child: ReturnType<typeof spawn>) => void) => {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  if (whenItSays !== undefined) child.stdout.once('data', () => whenItSays(child));
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, output };
};

/** What the launcher makes of a program. */
const launched = (program: string) => [
  '-e',
  `require(${JSON.stringify(LAUNCH)}).run(process.execPath, ['-e', ${JSON.stringify(program)}])`,
];

describe('bootstrap', () => {
  it('tells an old node what to do, with the documented status', async () => {
    const pretend = "Object.defineProperty(process.versions, 'node', { value: '18.19.0' });";
    const { status, output } = await node(['-e', `${pretend} require(${JSON.stringify(BOOTSTRAP)})`]);
    expect(status).toBe(5);
    expect(output).toMatch(/^\[TOOL_MISSING\] node .*needs node 20 or newer.*install one/);
  });

  it('teaches with --help, and without any command', async () => {
    const help = await node([BOOTSTRAP, '--help']);
    expect(help.status).toBe(0);
    for (const name of ['start', 'test', 'bench', 'chaos', 'guest', 'build', 'generate'])
      expect(help.output).toMatch(new RegExp(`^ {2}${name} `, 'm'));
    expect(await node([BOOTSTRAP])).toEqual({ ...help, status: 2 });
  });

  it('refuses an unknown command by name', async () => {
    const { status, output } = await node([BOOTSTRAP, 'constructor']);
    expect(status).toBe(2);
    expect(output).toMatch(/^\[SETTING_UNKNOWN\] constructor: no such command/);
  });

  it('hands the status of the command up', async () => {
    expect((await node(launched('process.exit(7)'))).status).toBe(7);
    expect((await node(launched("process.kill(process.pid, 'SIGKILL')"))).status).toBe(137);
  });

  it('runs it on a node that knows the sources, with the programs of node_modules first', async () => {
    const { output } = await node(launched('console.log(process.env.PATH); console.log(process.execArgv.join())'));
    expect(output.split(path.delimiter)[0]).toMatch(/node_modules\/\.bin$/);
    expect(output).toContain('--conditions=@holdfast/source');
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('hands %s down and waits for the end', async (signal) => {
    const program = `process.on('${signal}', () => setTimeout(() => { console.log('cleaned up'); process.exit(9); }, 50)); setInterval(() => {}, 1000); console.log('ready');`;
    const { status, output } = await node(launched(program), (child) => child.kill(signal));
    expect(output).toBe('ready\ncleaned up\n');
    expect(status).toBe(9);
  });
});
