import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ErrorCode } from './codes.ts';
import { fromSystem } from './from-system.ts';
import { HoldfastError } from './holdfast-error.ts';

const systemError = (code: string): NodeJS.ErrnoException => Object.assign(new Error(`${code}: said the system`), { code });

describe('fromSystem', () => {
  it.each<[string, ErrorCode]>([
    ['EACCES', 'NO_PERMISSION'],
    ['EPERM', 'NO_PERMISSION'],
    ['EROFS', 'NO_PERMISSION'],
    ['ENOENT', 'OBJECT_NOT_FOUND'],
    ['ENODEV', 'DEVICE_NOT_FOUND'],
    ['ENXIO', 'DEVICE_NOT_FOUND'],
    ['ENOSPC', 'NO_SPACE'],
    ['EDQUOT', 'NO_SPACE'],
    ['EEXIST', 'OBJECT_EXISTS'],
  ])('%s becomes %s and keeps the words of the system', (system, code) => {
    const reason = systemError(system);
    const error = fromSystem(reason, 'the thing');
    expect(error).toMatchObject({ code, thing: 'the thing', why: `${system}: said the system`, cause: reason });
    expect(error.remedy).not.toBe('');
  });

  it('understands an error as the system really throws it', async () => {
    const missing = path.join(tmpdir(), 'holdfast-does-not-exist', 'x');
    const reason = await open(missing, 'r').catch((caught: unknown) => caught);
    expect(fromSystem(reason, missing).code).toBe('OBJECT_NOT_FOUND');
  });

  it('falls back to IO_FAILED, or to what the caller knows better', () => {
    expect(fromSystem(systemError('EIO'), 'x').code).toBe('IO_FAILED');
    expect(fromSystem(systemError('ECONNRESET'), 'x', 'STORE_UNAVAILABLE').code).toBe('STORE_UNAVAILABLE');
    expect(fromSystem('a string', 'x')).toMatchObject({ code: 'IO_FAILED', why: 'a string' });
    expect(fromSystem(undefined, 'x')).toMatchObject({ code: 'IO_FAILED', why: 'undefined' });
  });

  it('passes our own errors through', () => {
    const own = new HoldfastError('FENCED', { thing: 'a', why: 'b', remedy: 'c' });
    expect(fromSystem(own, 'other', 'INTERNAL')).toBe(own);
  });
});
