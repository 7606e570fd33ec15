import { HoldfastError } from '@holdfast/errors';
import { createSecret } from '../settings/secret.ts';
import { createLog, type LogLevel } from './create-log.ts';

const record = (level: LogLevel = 'debug') => {
  const lines: Record<string, unknown>[] = [];
  const log = createLog({
    program: 'holdfast-x',
    level,
    destination: { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  });
  return { log, lines };
};

describe('the log', () => {
  it('writes JSON lines with time, level, program and process', () => {
    const { log, lines } = record();
    log.info('Disk attached', { disk: 'a', size: 5 });
    expect(lines).toEqual([
      {
        time: expect.stringMatching(/^\d{4}-.*Z$/),
        level: 'info',
        program: 'holdfast-x',
        pid: process.pid,
        message: 'Disk attached',
        disk: 'a',
        size: 5,
      },
    ]);
  });

  it('leaves out what is below its level', () => {
    const { log, lines } = record('warn');
    log.debug('a');
    log.info('b');
    log.warn('c');
    log.error('d');
    expect(lines.map(({ message }) => message)).toEqual(['c', 'd']);
  });

  it('gives fields to all lines of a child', () => {
    const { log, lines } = record();
    log.child({ machine: 'm' }).child({ disk: 'd' }).info('x', { more: 1 });
    expect(lines[0]).toMatchObject({ machine: 'm', disk: 'd', more: 1, program: 'holdfast-x' });
  });

  it('tells an error with its code and causes, and a stack only of what nobody expected', () => {
    const { log, lines } = record();
    const cause = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
    log.warn('Upload failed', { error: new HoldfastError('STORE_UNAVAILABLE', { thing: 's', why: 'w', remedy: 'r', cause }) });
    log.error('Defect', { error: new HoldfastError('INTERNAL', { thing: 's', why: 'w', remedy: 'r' }) });
    log.error('Odd', { error: 'just words' });
    expect(lines[0]!['error']).toEqual({
      message: '[STORE_UNAVAILABLE] s: w; r',
      code: 'STORE_UNAVAILABLE',
      cause: expect.objectContaining({ code: 'ECONNRESET' }),
    });
    expect(lines[1]!['error']).toMatchObject({ code: 'INTERNAL', stack: expect.stringContaining('at ') });
    expect(lines[2]!['error']).toEqual({ message: 'just words' });
  });

  it('follows causes that go in a circle only so far', () => {
    const { log, lines } = record();
    const error = new Error('a');
    error.cause = error;
    log.error('x', { error });
    expect(JSON.stringify(lines).split('"message":"a"').length - 1).toBe(5);
  });

  it('holds no secret, wherever it stands', () => {
    const { log, lines } = record();
    const url = 'https://a.example/c?sv=1&sig=SECRETX';
    log.info(`GET ${url}`, { url, deep: { list: [url] }, token: 'SECRETX', hidden: createSecret('SECRETX') });
    log.child({ url, password: 'SECRETX' }).error('x', { error: new Error(`failed: ${url}`, { cause: new Error('Bearer SECRETX012') }) });
    expect(lines).toHaveLength(2);
    expect(JSON.stringify(lines)).not.toContain('SECRETX');
  });
});
