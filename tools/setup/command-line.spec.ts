import { parseCommandLine, parseNumber } from './command-line.ts';

const parse = (...args: string[]) => parseCommandLine({ args, options: { json: { type: 'boolean' }, seed: { type: 'string' } } });

describe('the command line', () => {
  it('is parsed', () => {
    expect(parse('--json', '--seed', '7').values).toMatchObject({ json: true, seed: '7' });
  });

  it.each([
    [['--jsn'], 'SETTING_UNKNOWN', /--jsn/],
    [['word'], 'SETTING_UNKNOWN', /word/],
    [['--seed'], 'SETTING_INVALID', /--seed/],
    [['--json=yes'], 'SETTING_INVALID', /--json/],
  ])('is refused by name: %j', (args, code, why) => {
    expect(() => parse(...args)).toThrow(expect.objectContaining({ code, why: expect.stringMatching(why) }));
  });

  it.each(['', ' ', 'x', '1x', 'Infinity', 'NaN', '0', '-3'])('takes no number from "%s"', (text) => {
    expect(() => parseNumber('--minutes', text, 1)).toThrow(expect.objectContaining({ code: 'SETTING_INVALID', thing: '--minutes' }));
  });

  it('takes a number that is large enough', () => {
    expect(parseNumber('--minutes', '1.5', 1)).toBe(1.5);
  });
});
