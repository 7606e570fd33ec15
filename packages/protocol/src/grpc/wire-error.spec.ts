import { ERROR_CODES, type ErrorCode, HoldfastError } from '@holdfast/errors';
import fc from 'fast-check';
import { boundedWords, decodeError, encodeError } from './wire-error.ts';

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

describe('errors on the wire', () => {
  it.each(Object.keys(ERROR_CODES) as ErrorCode[])('%s arrives as it was sent', (code) => {
    const sent = new HoldfastError(code, { thing: 'disk 1', why: 'it is gone', remedy: 'attach it', cause: new Error('secret') });
    const received = decodeError(encodeError(sent), 'INTERNAL');
    expect(received).toMatchObject({ code, thing: 'disk 1', why: 'it is gone', remedy: 'attach it' });
    expect(encodeError(sent).toString()).not.toContain('secret');
  });

  it('keeps an unknown code among the words', () => {
    const bytes = json({ code: 'MOON_FULL', thing: 'night', why: 'tides', remedy: 'wait' });
    expect(decodeError(bytes, 'CONNECTION_LOST')?.message).toBe('[CONNECTION_LOST] night: MOON_FULL: tides; wait');
  });

  it('does not take names of every object for codes', () => {
    for (const code of ['constructor', '__proto__', 'toString'])
      expect(decodeError(json({ code, thing: 'a', why: 'b', remedy: 'c' }), 'INTERNAL')?.code).toBe('INTERNAL');
  });

  it.each<[string, Uint8Array]>([
    ['no JSON', Buffer.from('hello')],
    ['null', json(null)],
    ['a list', json(['FENCED'])],
    ['an error without words', json({ code: 'FENCED' })],
    ['words that are no text', json({ code: 'FENCED', thing: 1, why: {}, remedy: [] })],
    ['nothing', new Uint8Array()],
    ['too much', json({ code: 'FENCED', thing: 'x'.repeat(20_000), why: '', remedy: '' })],
  ])('sees no error in %s', (_what, bytes) => {
    expect(decodeError(bytes, 'INTERNAL')).toBeUndefined();
  });

  it('survives any bytes', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => decodeError(bytes, 'INTERNAL') === undefined || true));
  });

  it('shows words of the other side in one bounded line of well-formed text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 1500 }), (words) => {
        const shown = boundedWords(words);
        expect(shown.length).toBeLessThanOrEqual(600);
        expect(shown.isWellFormed()).toBe(true);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: those must not be there
        expect(shown).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
      }),
    );
    expect(boundedWords('a\r\n\u001b[31mb')).toBe('a [31mb');
  });
});
