import { ERROR_CODES, type ErrorCode } from './codes.ts';
import { HoldfastError, isHoldfastError } from './holdfast-error.ts';

const details = { thing: '/dev/sdb', why: 'it is gone', remedy: 'attach it' };

describe('HoldfastError', () => {
  it('says the code, the thing, why and what to do', () => {
    const error = new HoldfastError('DEVICE_NOT_FOUND', details);
    expect(error.message).toBe('[DEVICE_NOT_FOUND] /dev/sdb: it is gone; attach it');
    expect(error.name).toBe('HoldfastError');
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ code: 'DEVICE_NOT_FOUND', ...details });
  });

  it.each(Object.entries(ERROR_CODES))('%s takes exit status and retry from the list', (code, { exit, retryable }) => {
    const error = new HoldfastError(code as ErrorCode, details);
    expect(error.exitCode).toBe(exit);
    expect(error.retryable).toBe(retryable);
  });

  it('keeps the cause, and has none when there is none', () => {
    const cause = new Error('below');
    expect(new HoldfastError('IO_FAILED', { ...details, cause }).cause).toBe(cause);
    expect(Object.hasOwn(new HoldfastError('IO_FAILED', details), 'cause')).toBe(false);
  });

  it('becomes JSON without stack and cause, which may hold secrets', () => {
    const error = new HoldfastError('NO_SPACE', { ...details, cause: new Error('secret') });
    expect(JSON.parse(JSON.stringify(error))).toEqual({ code: 'NO_SPACE', ...details, retryable: true });
  });
});

describe('isHoldfastError', () => {
  const error = new HoldfastError('FENCED', details);

  it('knows ours from others', () => {
    expect(isHoldfastError(error)).toBe(true);
    for (const other of [new Error('[FENCED] x: y; z'), { ...error }, 'FENCED', undefined, null])
      expect(isHoldfastError(other)).toBe(false);
  });

  it('compares the code when asked', () => {
    expect(isHoldfastError(error, 'FENCED')).toBe(true);
    expect(isHoldfastError(error, 'NO_SPACE')).toBe(false);
  });
});
