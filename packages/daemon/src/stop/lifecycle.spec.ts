import { HoldfastError } from '@holdfast/errors';
import type { Log } from '../log/log.ts';
import { createLifecycle } from './lifecycle.ts';

const recordingLog = () => {
  const lines: { level: string; message: string; error?: unknown }[] = [];
  const at =
    (level: string) =>
    (message: string, fields: { error?: unknown } = {}): void =>
      void lines.push({ level, message, ...fields });
  const log: Log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), child: () => log };
  return { log, lines };
};

const open = (deadline = 10_000) => {
  const { log, lines } = recordingLog();
  return { ...createLifecycle(log, deadline), lines };
};

const fenced = new HoldfastError('FENCED', { thing: 'a', why: 'b', remedy: 'c' });
const aborted = (signal: AbortSignal): Promise<void> => new Promise((resolve) => signal.addEventListener('abort', () => resolve()));

describe('the life of a program', () => {
  it('ends well: works first, then resources in reverse order, one after another', async () => {
    const { onStop, run, stop, finished, stopping } = open();
    const order: string[] = [];
    onStop('first', () => void order.push('first'));
    onStop('second', async () => {
      await new Promise((resolve) => setImmediate(resolve));
      order.push('second');
    });
    run('work', async (signal) => {
      await aborted(signal);
      await new Promise((resolve) => setImmediate(resolve));
      order.push('work');
    });
    stop('signal SIGTERM');
    stop('signal SIGTERM');
    expect(await finished()).toBe(0);
    expect(order).toEqual(['work', 'second', 'first']);
    expect(stopping.reason).toMatchObject({ code: 'INTERRUPTED', why: 'signal SIGTERM' });
  });

  it('takes in what is named while it stops', async () => {
    const { onStop, run, stop, finished } = open();
    const order: string[] = [];
    run('start', async (signal) => {
      await aborted(signal);
      onStop('late', () => {
        order.push('late');
        onStop('latest', () => void order.push('latest'));
      });
      run('late work', async () => {
        await new Promise((resolve) => setTimeout(resolve, 20));
        order.push('late work');
      });
    });
    onStop('early', () => void order.push('early'));
    stop('x');
    expect(await finished()).toBe(0);
    expect(order).toEqual(['late work', 'late', 'latest', 'early']);
  });

  it('ends with the status of the work that failed, after closing everything', async () => {
    const { onStop, run, finished } = open();
    const closed = jest.fn();
    onStop('a', closed);
    run('work', () => Promise.reject(fenced));
    expect(await finished()).toBe(8);
    expect(closed).toHaveBeenCalledTimes(1);
  });

  it('ends with 70 when something failed that nobody expected', async () => {
    const { run, finished } = open();
    run('work', () => {
      throw new TypeError('x');
    });
    expect(await finished()).toBe(70);
  });

  it('counts the first reason, and only warns of works that fail because of the stop', async () => {
    const { run, stop, finished, lines } = open();
    run('obeys', async (signal) => {
      await aborted(signal);
      throw signal.reason;
    });
    run('stumbles', async (signal) => {
      await aborted(signal);
      throw fenced;
    });
    stop('x');
    expect(await finished()).toBe(0);
    expect(lines.filter(({ level }) => level !== 'info')).toEqual([
      expect.objectContaining({ level: 'warn', work: 'stumbles', error: fenced }),
    ]);
  });

  it('goes on closing when something cannot be closed, and says so', async () => {
    const { onStop, stop, finished, lines } = open();
    const closed = jest.fn();
    onStop('first', closed);
    onStop('broken', () => Promise.reject(fenced));
    stop('x');
    expect(await finished()).toBe(8);
    expect(closed).toHaveBeenCalled();
    expect(lines.at(-1)).toMatchObject({ level: 'error', message: 'broken could not be closed in order' });
  });

  it('does not wait longer than the deadline, and names what is open', async () => {
    const { onStop, stop, finished, lines } = open(50);
    onStop('first', () => undefined);
    onStop('stuck', () => new Promise(() => undefined));
    stop('x');
    expect(await finished()).toBe(9);
    expect(lines.at(-1)!.error).toMatchObject({ code: 'STOP_INCOMPLETE', thing: 'stuck, first' });
    const other = open(50);
    other.run('endless', () => new Promise(() => undefined));
    other.stop('x');
    expect(await other.finished()).toBe(9);
    expect(other.lines.at(-1)!.error).toMatchObject({ thing: 'endless' });
  });
});
