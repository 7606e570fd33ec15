import fc from 'fast-check';
import { parseCommandLine } from './command-line.ts';

describe('parseCommandLine', () => {
  it('understands values behind = and behind a blank', () => {
    expect(parseCommandLine(['--log.level=debug', '--journal.quota', '1GiB', '--config', '/etc/x.yaml', '--a.b='])).toEqual({
      wish: 'run',
      operands: [],
      config: '/etc/x.yaml',
      flags: [
        ['log.level', 'debug'],
        ['journal.quota', '1GiB'],
        ['a.b', ''],
      ],
    });
  });

  it('leaves what has no value to those who know what there is', () => {
    expect(parseCommandLine(['--a.b', '--c.d=1', '--e']).flags).toEqual([
      ['a.b', undefined],
      ['c.d', '1'],
      ['e', undefined],
    ]);
  });

  it.each(['help', 'version', 'print-settings'])('understands --%s beside settings', (wish) => {
    expect(parseCommandLine(['--a.b=1', `--${wish}`])).toMatchObject({ wish, flags: [['a.b', '1']] });
  });

  it('prefers to help', () => {
    expect(parseCommandLine(['--help', '--version']).wish).toBe('help');
    expect(parseCommandLine(['--version', '--help']).wish).toBe('help');
  });

  it.each([
    [['start'], /it is no flag/],
    [['-v'], /it is no flag/],
    [['--'], /it is no flag/],
    [['--config'], /--config: its value is missing/],
    [['--config', '--a.b=1'], /--config: its value is missing/],
    [['--help=yes'], /takes no value/],
  ])('refuses %j', (argv, words) => {
    expect(() => parseCommandLine(argv)).toThrow(words);
    expect(() => parseCommandLine(argv)).toThrow(/SETTING_INVALID/);
  });

  it('takes operands where some are wanted, and no more', () => {
    expect(parseCommandLine(['a', '--b.c=1', 'd'], 2)).toMatchObject({ operands: ['a', 'd'], flags: [['b.c', '1']] });
    expect(() => parseCommandLine(['a', 'b', 'c'], 2)).toThrow(/argument c: it is no flag/);
    expect(() => parseCommandLine(['-v'], 2)).toThrow(/it is no flag/);
  });

  it('answers any arguments', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (argv) => {
        try {
          parseCommandLine(argv);
        } catch (error) {
          expect(String(error)).toContain('SETTING_INVALID');
        }
      }),
    );
  });
});
