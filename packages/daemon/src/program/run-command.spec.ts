import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { HoldfastError } from '@holdfast/errors';
import { address, filePath, integer } from '../settings/kinds.ts';
import { section } from '../settings/setting.ts';
import { openStateDirectory } from '../state/state-directory.ts';
import { type Command, defineCommand } from './command.ts';
import { executeProgram } from './execute-program.ts';
import type { Host } from './host.ts';
import type { Program } from './program.ts';

const settings = { journal: section('x', { quota: integer({ help: 'Most', default: '5', min: 1, max: 9 }) }) };

describe('commands of a program', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'command-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  const seen: unknown[] = [];
  beforeEach(() => void seen.splice(0));
  const join: Command<typeof settings> = defineCommand({
    summary: 'Joins.',
    options: { server: address({ help: 'The server' }), tokenFile: filePath({ help: 'The token', optional: true }) },
    notes: 'A note.',
    async run({ options, settings: { journal, state }, readSecret, print }) {
      seen.push({ options, quota: journal.quota, state: state.directory, secret: await readSecret('Token') });
      print('joined');
      return 3;
    },
  });
  const inspect: Command<typeof settings> = defineCommand({
    summary: 'Inspects.',
    options: { depth: integer({ help: 'How deep', default: '2', min: 1, max: 9 }) },
    operands: ['DIRECTORY'],
    run: async ({ operands, options }) => {
      seen.push({ operands, options });
      return 0;
    },
  });

  const program = (commands: Record<string, Command<typeof settings>>): Program<typeof settings> => ({
    name: 'holdfast-x',
    summary: 'Does x.',
    version: '1.2.3',
    settings,
    httpPort: 1,
    commands,
    main: () => Promise.reject(new Error('the program itself was started')),
  });

  const run = async (
    argv: string,
    host: Partial<Host> = {},
    commands: Record<string, Command<typeof settings>> = { join, 'hrl inspect': inspect },
  ) => {
    let printed = '';
    const status = await executeProgram(program(commands), {
      argv: argv === '' ? [] : argv.split(' '),
      environment: { HOLDFAST_STATE_DIRECTORY: directory },
      workingDirectory: '/w',
      pid: 1,
      send: undefined,
      print: (words) => {
        printed += words;
      },
      readSecret: async (prompt) => `answer to ${prompt}`,
      attach: () => undefined,
      ...host,
    });
    return { status, printed };
  };

  it('have options of their own beside the settings of the program', async () => {
    const file = path.join(directory, 'x.yaml');
    await writeFile(file, 'journal: {quota: 7}\n');
    expect(await run(`join --server a.example:443 --token-file=t --config ${file} --journal.quota 8`)).toEqual({
      status: 3,
      printed: 'joined\n',
    });
    expect(seen).toEqual([
      { options: { server: { host: 'a.example', port: 443 }, tokenFile: '/w/t' }, quota: 8, state: directory, secret: 'answer to Token' },
    ]);
  });

  it('have names of two words, and operands', async () => {
    expect(await run('hrl inspect /d --depth 3')).toEqual({ status: 0, printed: '' });
    await run('hrl inspect /e');
    expect(seen).toEqual([
      { operands: ['/d'], options: { depth: 3 } },
      { operands: ['/e'], options: { depth: 2 } },
    ]);
  });

  it.each<[string, string, RegExp]>([
    ['jion --server a:1', 'SETTING_INVALID', /command jion.*perhaps join/],
    ['hrl inspct /d', 'SETTING_INVALID', /command hrl inspct.*perhaps hrl inspect/],
    ['join', 'SETTING_INVALID', /option --server: it is missing; give HOST:PORT/],
    ['join --server nowhere', 'SETTING_INVALID', /option --server: "nowhere": it is not HOST:PORT/],
    ['join --sever a:1', 'SETTING_UNKNOWN', /perhaps --server/],
    ['join --server', 'SETTING_INVALID', /--server: its value is missing/],
    ['join --server --log.level=info', 'SETTING_INVALID', /--server: its value is missing/],
    ['join --nonsense', 'SETTING_UNKNOWN', /option --nonsense: this command has no such option; leave it out; --help shows what there is/],
    ['join --server a:1 --journal.nonsense', 'SETTING_UNKNOWN', /option --journal.nonsense: there is no such option/],
    ['nonsense', 'SETTING_INVALID', /command nonsense: there is no such command; --help lists all there are/],
    ['join --server a:1 more', 'SETTING_INVALID', /more: it is no flag/],
    ['join --server a:1 --journal.quota 10', 'SETTING_INVALID', /journal.quota.*above 9/],
    ['join --server a:1 --journal.qota 1', 'SETTING_UNKNOWN', /journal.quota/],
    ['hrl inspect', 'SETTING_INVALID', /DIRECTORY is missing/],
    ['hrl inspect a b', 'SETTING_INVALID', /b: it is no flag/],
  ])('%s is refused in words', async (argv, code, words) => {
    await expect(run(argv)).rejects.toMatchObject({ code, message: expect.stringMatching(words) });
    expect(seen).toEqual([]);
  });

  it('explain themselves', async () => {
    const { printed } = await run('join --help');
    expect(printed).toContain('Usage: holdfast-x join [--OPTION=VALUE]... [--SETTING=VALUE]...');
    expect(printed).toMatch(/--server\n {6}The server\.\n {6}Allowed: HOST:PORT\. Must be given\./);
    expect(printed).toMatch(/--token-file\n.*\n.*May be left out\./);
    expect(printed).toContain('A note.');
    expect((await run('hrl inspect --help')).printed).toMatch(/holdfast-x hrl inspect DIRECTORY .*Default: 2\./s);
    const all = (await run('--help')).printed;
    expect(all).toMatch(/holdfast-x join \.\.\.\n +holdfast-x hrl inspect \.\.\./);
    expect(all).toContain('Joins. holdfast-x join --help tells more.');
  });

  it('leave a program without commands as it was', async () => {
    await expect(run('join', {}, {})).rejects.toMatchObject({ message: expect.stringContaining('argument join: it is no flag') });
  });

  it('make the state directory for its owner alone, and may use it while the program runs there', async () => {
    const place = path.join(directory, 'a', 'b');
    const using: Command<typeof settings> = defineCommand({
      summary: 'Uses it.',
      async run({ stateDirectory }) {
        seen.push(await stateDirectory());
        return 0;
      },
    });
    const host = { environment: { HOLDFAST_STATE_DIRECTORY: place } };
    await run('use', host, { use: using });
    expect((await stat(place)).mode & 0o777).toBe(0o700);
    const running = await openStateDirectory(place, 'holdfast-x');
    await run('use', host, { use: using });
    await running.release();
    expect(seen).toEqual([place, place]);
  });

  it('hear of signals', async () => {
    const waiting: Command<typeof settings> = defineCommand({
      summary: 'Waits.',
      run: ({ stopping }) => new Promise((_resolve, reject) => stopping.addEventListener('abort', () => reject(stopping.reason))),
    });
    const attach: Host['attach'] = ({ stop }) => void setImmediate(() => stop('signal SIGINT'));
    const ended = await run('wait', { attach }, { wait: waiting }).catch((reason: unknown) => reason);
    expect(ended).toBeInstanceOf(HoldfastError);
    expect(ended).toMatchObject({ code: 'INTERRUPTED', why: 'signal SIGINT', exitCode: 130 });
  });
});
