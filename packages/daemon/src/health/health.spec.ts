import { createMetrics } from '../metrics/create-metrics.ts';
import { createHealth } from './create-health.ts';
import { listenHttp } from './http-listener.ts';

describe('health', () => {
  it('is well without checks', async () => {
    expect(await createHealth().report()).toEqual({ live: true, ready: true, checks: [] });
  });

  it('names what is wrong: words, a throw, no answer', async () => {
    jest.useFakeTimers();
    try {
      const health = createHealth();
      health.check('good', () => undefined);
      health.check('store', () => Promise.resolve('it does not answer'));
      health.check('thrown', () => {
        throw new Error('broken');
      });
      health.check('hung', () => new Promise(() => undefined));
      const report = health.report();
      await jest.advanceTimersByTimeAsync(2000);
      expect(await report).toEqual({
        live: true,
        ready: false,
        checks: [
          { name: 'good', tells: 'ready' },
          { name: 'store', tells: 'ready', problem: 'it does not answer' },
          { name: 'thrown', tells: 'ready', problem: 'broken' },
          { name: 'hung', tells: 'ready', problem: 'it did not answer in 2 s' },
        ],
      });
    } finally {
      jest.useRealTimers();
    }
  });

  it('is neither live nor ready when a check of life fails, until it is taken away', async () => {
    const health = createHealth();
    const remove = health.check('loop', () => 'stuck', { tells: 'live' });
    expect(await health.report()).toMatchObject({ live: false, ready: false });
    remove();
    expect(await health.report()).toMatchObject({ live: true, ready: true });
  });
});

describe('the HTTP listener', () => {
  const open = async (started = true) => {
    const health = createHealth();
    const listener = await listenHttp({ host: '127.0.0.1', port: 0 }, health, createMetrics('x', '1'), () => started);
    const get = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${listener.port}${path}`, init);
    return { health, listener, get };
  };

  it('answers health, life and metrics', async () => {
    const { health, listener, get } = await open();
    const well = await get('/healthz?verbose');
    expect([well.status, await well.json()]).toEqual([200, { live: true, ready: true, started: true, checks: [] }]);
    health.check('store', () => 'gone');
    const ill = await get('/healthz');
    expect([ill.status, await ill.json()]).toMatchObject([503, { live: true, ready: false }]);
    expect((await get('/healthz/live')).status).toBe(200);
    health.check('loop', () => 'stuck', { tells: 'live' });
    expect((await get('/healthz/live')).status).toBe(503);
    const metrics = await get('/metrics');
    expect(metrics.headers.get('content-type')).toContain('text/plain');
    expect(await metrics.text()).toContain('holdfast_build_info');
    await listener.close();
  });

  it('is live but not ready before the program has started', async () => {
    const { listener, get } = await open(false);
    expect([(await get('/healthz')).status, (await get('/healthz/live')).status]).toEqual([503, 200]);
    await listener.close();
  });

  it('answers nothing else', async () => {
    const { listener, get } = await open();
    const head = await get('/healthz', { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
    expect((await get('/')).status).toBe(404);
    expect((await get('/healthz', { method: 'POST', body: 'x' })).status).toBe(405);
    await listener.close();
  });

  it('names the place that is taken', async () => {
    const { listener } = await open();
    await expect(
      listenHttp({ host: '127.0.0.1', port: listener.port }, createHealth(), createMetrics('x', '1'), () => true),
    ).rejects.toMatchObject({
      code: 'ADDRESS_IN_USE',
      thing: `127.0.0.1:${listener.port}`,
    });
    await listener.close();
  });
});
