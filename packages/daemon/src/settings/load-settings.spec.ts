import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { parseDocument } from 'yaml';
import { helpText, settingsMarkdown } from './describe-settings.ts';
import { address, bytes, duration, filePath, flag, integer, list, secret, text } from './kinds.ts';
import { loadSettings, type SettingSources } from './load-settings.ts';
import { type Schema, section, table } from './setting.ts';
import { showSettings } from './show-settings.ts';

const schema = {
  journal: section('Where data waits.', {
    quota: bytes({ help: 'Most bytes', default: '1GiB', min: '1MiB', max: '1TiB' }),
    directory: filePath({ help: 'Where', optional: true }),
    syncEvery: duration({ help: 'How often', default: '10ms', min: '1ms', max: '1s' }),
    peers: list(address({ help: 'One' }), { help: 'All' }),
  }),
  api: section('Access.', {
    token: secret({ help: 'Who we are', optional: true }),
    verbose: flag({ help: 'More words', default: false }),
  }),
  vaults: table('vault', 'Where data goes.', {
    url: text({ help: 'Place' }),
    key: secret({ help: 'Key', optional: true }),
    parallel: integer({ help: 'Uploads at a time', default: '4', min: 1, max: 64 }),
  }),
} satisfies Schema;

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-settings-'));
});
afterAll(() => rm(directory, { recursive: true }));

const write = async (name: string, content: string, mode = 0o600): Promise<string> => {
  const file = path.join(directory, name);
  await writeFile(file, content);
  await chmod(file, mode);
  return file;
};

const load = (sources: Partial<SettingSources> = {}) =>
  loadSettings(schema, {
    environment: {},
    flags: [],
    base: '/work-dir',
    ...sources,
  });

const loadYaml = async (content: string) => load({ file: { path: await write('s.yaml', content), required: true } });

describe('loadSettings', () => {
  it('gives the defaults where nothing is set', async () => {
    const { values, warnings } = await load();
    expect(values).toEqual({
      journal: { quota: 1024 ** 3, directory: undefined, syncEvery: 10, peers: [] },
      api: { token: undefined, verbose: false },
      vaults: {},
    });
    expect(warnings).toEqual([]);
  });

  it('reads a file, with paths that start beside it', async () => {
    const { values } = await loadYaml(`
# what we changed
journal:
  quota: 2GiB
  directory: journal
  peers: [a:1, "[::1]:2"]
api: {verbose: true}
vaults:
  main: {url: "file:/srv", parallel: 8}
  second:
    url: azure:x
`);
    expect(values.journal).toEqual({
      quota: 2 * 1024 ** 3,
      directory: path.join(directory, 'journal'),
      syncEvery: 10,
      peers: [
        { host: 'a', port: 1 },
        { host: '::1', port: 2 },
      ],
    });
    expect(values.api.verbose).toBe(true);
    expect(values.vaults).toEqual({
      main: { url: 'file:/srv', key: undefined, parallel: 8 },
      second: { url: 'azure:x', key: undefined, parallel: 4 },
    });
    expect(Object.isFrozen(values.journal)).toBe(true);
  });

  it('lets the environment override the file, and flags the environment', async () => {
    const file = await write('o.yaml', 'journal: {quota: 2GiB, sync-every: 20ms}\nvaults: {main: {url: "file:/a"}}\n');
    const { values, effective } = await load({
      file: { path: file, required: true },
      environment: {
        HOLDFAST_JOURNAL_QUOTA: '3GiB',
        HOLDFAST_JOURNAL_SYNC_EVERY: '30ms',
        HOLDFAST_VAULTS_MAIN_PARALLEL: '5',
        HOLDFAST_API_VERBOSE: '',
        PATH: '/bin',
      },
      flags: [
        ['journal.quota', '4GiB'],
        ['vaults.main.url', 'file:/b'],
        ['journal.directory', 'here'],
      ],
    });
    expect(values.journal).toMatchObject({ quota: 4 * 1024 ** 3, syncEvery: 30, directory: '/work-dir/here' });
    expect(values.vaults['main']).toMatchObject({ url: 'file:/b', parallel: 5 });
    const origins = Object.fromEntries(effective.map((setting) => [setting.path, setting.origin]));
    expect(origins).toMatchObject({
      'journal.quota': '--journal.quota',
      'journal.sync-every': 'HOLDFAST_JOURNAL_SYNC_EVERY',
      'api.verbose': 'default',
    });
  });

  it('finds entries of a table with hyphens in their names, in the environment too', async () => {
    const { values } = await load({ environment: { HOLDFAST_VAULTS_NEW_YORK_2_URL: 'file:/x' } });
    expect(values.vaults['new-york-2']?.url).toBe('file:/x');
  });

  it.each<[string, string, RegExp]>([
    ['a setting', 'journal: {quotta: 1GiB}', /SETTING_UNKNOWN.*journal\.quotta .*perhaps journal\.quota is meant/],
    ['a section', 'jurnal: {quota: 1GiB}', /SETTING_UNKNOWN.*jurnal/],
    ['a setting of a table', 'vaults: {main: {urll: x}}', /SETTING_UNKNOWN.*vaults\.main\.urll/],
    ['an entry whose name is none', 'vaults: {"a b": {url: x}}', /SETTING_UNKNOWN.*vaults\.a b\.url/],
    ['a name of every object', 'journal: {constructor: x}', /SETTING_UNKNOWN/],
    ['a name of every prototype', 'journal: {__proto__: x}', /SETTING_UNKNOWN/],
  ])('refuses %s that does not exist', async (_what, content, words) => {
    await expect(loadYaml(content)).rejects.toThrow(words);
  });

  it('refuses what does not exist in the environment and in flags, and warns of other variables with our name', async () => {
    await expect(load({ environment: { HOLDFAST_JOURNAL_QUOTTA: '1' } })).rejects.toThrow(
      /SETTING_UNKNOWN.*HOLDFAST_JOURNAL_QUOTTA.*journal\.quota /,
    );
    await expect(load({ flags: [['journal.quotta', '1']] })).rejects.toThrow(/SETTING_UNKNOWN.*--journal\.quotta.*journal\.quota /);
    await expect(load({ flags: [['journal', '1']] })).rejects.toThrow(/SETTING_UNKNOWN/);
    await expect(load({ flags: [['nonsense', undefined]] })).rejects.toThrow(/SETTING_UNKNOWN.*option --nonsense: there is no such option/);
    await expect(load({ flags: [['jurnal.quota', undefined]] })).rejects.toThrow(/SETTING_UNKNOWN.*perhaps --journal\.quota is meant/);
    await expect(load({ flags: [['journal.quota', undefined]] })).rejects.toThrow(
      /SETTING_INVALID.*--journal\.quota: its value is missing/,
    );
    const { warnings } = await load({ environment: { HOLDFAST_TESTS: 'live', HOLDFAST_CONFIG: 'x' } });
    expect(warnings).toEqual(['HOLDFAST_TESTS in the environment is no setting of this program']);
  });

  it.each<[string, string, RegExp]>([
    [
      'a value',
      'journal: {quota: 5 parsecs}',
      /SETTING_INVALID.*journal\.quota \(.*s\.yaml\): "5 parsecs": it is not an amount of bytes.*give bytes from 1MiB to 1TiB/,
    ],
    ['a value of another shape', 'journal: {quota: {a: b}}', /SETTING_INVALID.*journal\.quota is not a value/],
    ['a list for one value', 'journal: {quota: [1GiB]}', /SETTING_INVALID.*it is a list/],
    ['a section that is a value', 'journal: 5', /SETTING_INVALID.*journal is not a mapping/],
    ['a table of values', 'vaults: {main: file:/x}', /SETTING_INVALID.*vaults\.main is not a mapping/],
    ['a list at the top', '- a', /SETTING_INVALID.*not a mapping/],
    ['the same name twice', 'journal: {}\njournal: {}', /SETTING_INVALID.*unique/],
    ['no YAML', 'journal: {quota', /SETTING_INVALID/],
    ['what must be set and is not', 'vaults: {main: {parallel: 5}}', /SETTING_INVALID.*vaults\.main\.url: it is not set/],
  ])('refuses %s', async (_what, content, words) => {
    await expect(loadYaml(content)).rejects.toThrow(words);
  });

  it('takes an empty file and empty sections for nothing', async () => {
    for (const content of ['', '# only words\n', 'journal:\n', 'journal: {}\nvaults:\n'])
      expect((await loadYaml(content)).values).toEqual((await load()).values);
  });

  it('needs a file that was named, not one that was not', async () => {
    const file = path.join(directory, 'missing.yaml');
    expect((await load({ file: { path: file, required: false } })).warnings).toEqual([]);
    await expect(load({ file: { path: file, required: true } })).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND', thing: file });
  });

  it('is not hung up by a file that grows when it is read', async () => {
    const rows = Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} [${i === 0 ? 'x' : `*a${i}, *a${i}`}]`);
    await expect(loadYaml(rows.join('\n'))).rejects.toThrow();
    await expect(loadYaml(`journal: {quota: ${'1'.repeat(2_000_000)}}`)).rejects.toThrow(/SETTING_INVALID.*larger/);
  });

  it('answers any file with values or a named error', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), fc.json()), async (content) => {
        await loadYaml(content).catch((error: unknown) => expect(String(error)).toMatch(/\[SETTING_(UNKNOWN|INVALID)\]/));
      }),
      { numRuns: 200 },
    );
  });
});

describe('secrets', () => {
  it('come from the environment, the settings file or a file of their own', async () => {
    const file = await write('token', 'from-file\n');
    const given = await Promise.all([
      load({ environment: { HOLDFAST_API_TOKEN: 'from-environment' } }),
      loadYaml('api: {token: from-yaml}'),
      load({ flags: [['api.token-file', file]] }),
      load({ environment: { HOLDFAST_API_TOKEN_FILE: file } }),
    ]);
    expect(given.map(({ values }) => values.api.token?.reveal())).toEqual(['from-environment', 'from-yaml', 'from-file', 'from-file']);
    const { values } = await load({ environment: { HOLDFAST_VAULTS_A_URL: 'x', HOLDFAST_VAULTS_A_KEY_FILE: file } });
    expect(values.vaults['a']?.key?.reveal()).toBe('from-file');
  });

  it('never come from the command line', async () => {
    const refused = load({ flags: [['api.token', 'hunter2']] });
    await expect(refused).rejects.toThrow(/SETTING_INVALID.*--api\.token-file/);
    await expect(refused).rejects.not.toThrow(/hunter2/);
  });

  it('are in no message, and in nothing that is shown', async () => {
    await expect(load({ environment: { HOLDFAST_API_TOKEN: 'hunter2'.repeat(1000) } })).rejects.not.toThrow(/hunter2/);
    const { effective, values } = await load({ environment: { HOLDFAST_API_TOKEN: 'hunter2' } });
    expect(showSettings(effective) + JSON.stringify({ effective, values })).not.toContain('hunter2');
  });

  it('may not be given twice in two ways at one place', async () => {
    await expect(load({ environment: { HOLDFAST_API_TOKEN: 'a', HOLDFAST_API_TOKEN_FILE: '/b' } })).rejects.toThrow(
      /SETTING_INVALID.*api\.token/,
    );
  });

  it('in a file that everybody can read are warned of, and a file that is not there is named', async () => {
    const file = await write('open', 'x', 0o644);
    expect((await load({ flags: [['api.token-file', file]] })).warnings).toEqual([expect.stringContaining(file)]);
    await expect(load({ flags: [['api.token-file', '/nowhere/x']] })).rejects.toMatchObject({
      code: 'OBJECT_NOT_FOUND',
      thing: expect.stringContaining('/nowhere/x'),
    });
    await expect(load({ flags: [['api.token-file', await write('empty', '\n')]] })).rejects.toThrow(/SETTING_INVALID.*empty/);
  });
});

describe('showSettings', () => {
  it('writes a file that means the same', async () => {
    const given = await loadYaml(
      'journal: {quota: 3GiB, directory: "a: b#c", peers: [x:1, y:2]}\nvaults: {main: {url: "- file"}, b: {url: "yes"}}\n',
    );
    const again = await loadYaml(showSettings(given.effective));
    expect(again.values).toEqual(given.values);
  });

  it('does so for any text', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }), async (value) => {
        const flags = [['vaults.a.url', value]] as const;
        const given = await load({ flags }).catch(() => undefined);
        if (given === undefined) return;
        const document = parseDocument(showSettings(given.effective), { schema: 'failsafe' });
        expect(document.getIn(['vaults', 'a', 'url'])).toBe(value);
      }),
      { numRuns: 200 },
    );
  });

  it('tells where each value stands, and takes signatures out of URLs', async () => {
    const { effective } = await load({ flags: [['vaults.a.url', 'https://x.example/c?sv=1&sig=SECRET%3D']] });
    const shown = showSettings(effective);
    expect(shown).toContain('# --vaults.a.url');
    expect(shown).toContain('quota: 1GiB  # default');
    expect(shown).toContain('# directory: not set');
    expect(shown).not.toContain('SECRET');
  });
});

describe('what teaches the settings', () => {
  const paths = ['journal.quota', 'journal.sync-every', 'api.token', 'vaults.NAME.url'];

  it('--help has every setting with its meaning, what is allowed, its default and its environment variable', () => {
    const help = helpText({ name: 'holdfast-x', summary: 'Does x.' }, schema, '/etc/holdfast/x.yaml');
    for (const expected of [
      ...paths,
      'Most bytes',
      'bytes from 1MiB to 1TiB',
      '1GiB',
      'HOLDFAST_JOURNAL_SYNC_EVERY',
      'HOLDFAST_VAULTS_NAME_URL',
      'api.token-file',
      '/etc/holdfast/x.yaml',
      'must be set',
    ])
      expect(help).toContain(expected);
    expect(help.split('\n').filter((line) => line.length > 130)).toEqual([]);
  });

  it('the Markdown tables have them too', () => {
    const markdown = settingsMarkdown(schema);
    for (const expected of paths) expect(markdown).toContain(`| \`${expected}\` |`);
    expect(
      markdown
        .split('\n')
        .filter((line) => line.startsWith('| `'))
        .every((line) => line.split('|').length === 7),
    ).toBe(true);
  });
});

it('two settings of one name in the environment are a defect', async () => {
  const twins = {
    a: section('x', { bC: flag({ help: 'x', default: true }) }),
    aB: section('x', { c: flag({ help: 'x', default: true }) }),
  };
  await expect(loadSettings(twins, { environment: {}, flags: [], base: '/' })).rejects.toThrow(/INTERNAL.*HOLDFAST_A_B_C/);
});
