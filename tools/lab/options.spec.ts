import { HELP, parseOptions } from './options.ts';

const refusalOf = (...args: string[]): unknown => {
  try {
    return parseOptions(args);
  } catch (reason) {
    return reason;
  }
};

describe('the options of npm start', () => {
  it('have defaults that make the three-minute demonstration', () => {
    const { seed, ...options } = parseOptions([]);
    expect(options).toEqual({
      help: false,
      json: undefined,
      keep: false,
      minutes: 1.5,
      vault: undefined,
      disks: [],
      pointEvery: 5,
      diskSize: 768 << 20,
      conflictCheck: true,
    });
    expect(Number.isInteger(seed)).toBe(true);
  });

  it('are read', () => {
    const args =
      '--json r.json --keep --minutes 10 --vault file:/srv/v --disk /dev/a --disk /dev/b --seed 7 --point-every 2 --disk-size 320 --no-conflict-check';
    expect(parseOptions(args.split(' '))).toEqual({
      help: false,
      json: `${process.cwd()}/r.json`,
      keep: true,
      minutes: 10,
      vault: '/srv/v',
      disks: ['/dev/a', '/dev/b'],
      seed: 7,
      pointEvery: 2,
      diskSize: 320 << 20,
      conflictCheck: false,
    });
    expect(parseOptions(['--vault', 'file:///srv/v']).vault).toBe('/srv/v');
  });

  it.each([['--mintues', '3'], ['--keep', '--frobnicate'], ['now'], ['-x']])('refuse what they do not know: %s', (...args) => {
    expect(refusalOf(...args)).toMatchObject({ code: 'SETTING_UNKNOWN', exitCode: 2 });
  });

  it.each([
    ['--minutes', 'many'],
    ['--minutes', '0'],
    ['--minutes', ''],
    ['--minutes'],
    ['--keep=yes'],
    ['--seed', '-1'],
    ['--point-every', 'NaN'],
    ['--disk-size', '300'],
    ['--vault', '/srv/v'],
    ['--vault', 'file:'],
    ['--disk', '/dev/a', '--disk', '/dev/../dev/a'],
  ])('refuse values that cannot be: %s %s', (...args) => {
    expect(refusalOf(...args)).toMatchObject({ code: 'SETTING_INVALID', exitCode: 2 });
  });

  it('are all taught by --help, but for the negative control', () => {
    for (const name of ['minutes', 'point-every', 'disk-size', 'json', 'keep', 'vault', 'disk', 'seed', 'help'])
      expect(HELP).toContain(`--${name}`);
    expect(HELP).not.toContain('conflict');
  });
});
