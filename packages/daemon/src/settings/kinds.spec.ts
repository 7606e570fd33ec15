import { inspect } from 'node:util';
import fc from 'fast-check';
import { address, bytes, duration, filePath, flag, integer, list, oneOf, secret, text, url } from './kinds.ts';
import type { RawValue, Setting } from './setting.ts';

const help = 'x';

const KINDS: Readonly<Record<string, Setting<unknown>>> = {
  text: text({ help }),
  word: text({ help, pattern: /^[a-z]+$/, means: 'a word of small letters' }),
  integer: integer({ help, min: -5, max: 10 }),
  bytes: bytes({ help, min: '1KiB', max: '1MiB' }),
  duration: duration({ help, min: '1s', max: '1h' }),
  flag: flag({ help, default: true }),
  oneOf: oneOf(['lz4', 'raw'], { help }),
  filePath: filePath({ help }),
  address: address({ help }),
  loopback: address({ help, loopback: true }),
  url: url({ help, schemes: ['https', 'file'] }),
  list: list(integer({ help, min: 0, max: 9 }), { help, max: 3 }),
};

describe('kinds of settings', () => {
  it.each<[string, RawValue, unknown]>([
    ['text', 'hello there', 'hello there'],
    ['word', 'abc', 'abc'],
    ['integer', '-5', -5],
    ['bytes', '4KiB', 4096],
    ['duration', '2 min', 120_000],
    ['flag', 'false', false],
    ['oneOf', 'raw', 'raw'],
    ['filePath', 'vault.key', '/etc/holdfast/vault.key'],
    ['filePath', '/srv/../srv/key', '/srv/key'],
    ['address', '10.0.0.1:9443', { host: '10.0.0.1', port: 9443 }],
    ['address', '[2001:db8::1]:443', { host: '2001:db8::1', port: 443 }],
    ['address', 'gateway.example:443', { host: 'gateway.example', port: 443 }],
    ['loopback', '127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
    ['loopback', '[::1]:80', { host: '::1', port: 80 }],
    ['url', 'file:///srv/vault', 'file:///srv/vault'],
    ['list', '1, 2,3', [1, 2, 3]],
    ['list', ['4', '5'], [4, 5]],
    ['list', '', []],
  ])('%s takes %j', (kind, raw, value) => {
    expect(KINDS[kind]!.parse(raw, '/etc/holdfast')).toEqual(value);
  });

  it.each<[string, RawValue, RegExp]>([
    ['text', '', /empty/],
    ['text', 'a\nb', /control/],
    ['text', 'x'.repeat(5000), /longer/],
    ['text', ['a'], /list/],
    ['word', 'ABC', /a word of small letters/],
    ['integer', '1.5', /whole/],
    ['integer', '11', /above 10/],
    ['integer', '-6', /below -5/],
    ['integer', '9'.repeat(30), /whole/],
    ['bytes', '1B', /below 1KiB/],
    ['bytes', '1GiB', /above 1MiB/],
    ['duration', '30', /not a duration/],
    ['flag', 'yes', /true/],
    ['oneOf', 'zip', /lz4, raw/],
    ['filePath', '', /path/],
    ['filePath', 'a\0b', /path/],
    ['address', '9443', /HOST:PORT/],
    ['address', '10.0.0.1:65536', /above/],
    ['address', '2001:db8::1:443', /brackets/],
    ['address', 'http://x:1', /HOST:PORT/],
    ['address', 'user@host:1', /HOST:PORT/],
    ['loopback', '0.0.0.0:80', /loopback/],
    ['loopback', '127.evil.example:80', /loopback/],
    ['url', 'ftp://x', /https: or file:/],
    ['url', 'not a url', /https: or file:/],
    ['list', '1,2,3,4', /more than 3/],
    ['list', '1,x', /whole/],
  ])('%s refuses %j', (kind, raw, why) => {
    expect(() => KINDS[kind]!.parse(raw, '/')).toThrow(why);
  });

  it.each(Object.entries(KINDS))('%s takes any text or says in words what is wrong', (_kind, setting) => {
    expect(setting.allowed).not.toBe('');
    fc.assert(
      fc.property(fc.string({ maxLength: 100 }), (raw) => {
        try {
          setting.parse(raw, '/');
        } catch (error) {
          expect((error as Error).message).toMatch(/^it (is|does|has|holds) /);
        }
      }),
    );
  });

  it('are optional, have a default, or must be set', () => {
    expect(text({ help, optional: true })).toMatchObject({ optional: true });
    expect(text({ help, default: 'a' })).toMatchObject({ optional: false, fallback: 'a' });
    expect(text({ help })).toMatchObject({ optional: false });
  });
});

describe('a secret', () => {
  const hidden = secret({ help }).parse('hunter2', '/');

  it('is told by reveal and by nothing else', () => {
    expect(hidden.reveal()).toBe('hunter2');
    const shown = [
      String(hidden),
      `${hidden}`,
      JSON.stringify({ hidden }),
      inspect(hidden),
      inspect({ deep: { hidden } }),
      Object.values(hidden).join(),
    ];
    expect(shown.join(' ')).not.toContain('hunter2');
    expect(shown[0]).toBe('[secret]');
  });
});
