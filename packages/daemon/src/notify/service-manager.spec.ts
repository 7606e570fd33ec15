import type { Log } from '../log/log.ts';
import { unixAddress } from './datagram.ts';
import { createServiceManager, type NotifyHost, watchdogInterval } from './service-manager.ts';

const host = (environment: NotifyHost['environment']): NotifyHost => ({ environment, pid: 42 });
const silent: Log = { debug: jest.fn(), info: jest.fn(), warn: jest.fn(), error: jest.fn(), child: () => silent };

describe('unixAddress', () => {
  it('ends a path with 0 and begins an abstract name with it', () => {
    expect(unixAddress('/run/x').toString('latin1')).toBe('\u0001\u0000/run/x\u0000');
    expect(unixAddress('@x').toString('latin1')).toBe('\u0001\u0000\u0000x');
  });

  it.each(['', '@', '/', 'run/x', 'vsock:2:1234', `/${'x'.repeat(108)}`, '/a\0b'])('refuses %j', (name) => {
    expect(() => unixAddress(name)).toThrow(/not the name of a unix socket/);
  });

  it('takes names up to 108 bytes', () => {
    expect(unixAddress(`@${'x'.repeat(107)}`)).toHaveLength(110);
    expect(unixAddress(`/${'x'.repeat(106)}`)).toHaveLength(110);
  });
});

describe('watchdogInterval', () => {
  it.each<[NotifyHost['environment'], number | undefined]>([
    [{}, undefined],
    [{ WATCHDOG_USEC: '30000000' }, 15_000],
    [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '42' }, 15_000],
    [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '43' }, undefined],
    [{ WATCHDOG_USEC: '0' }, undefined],
    [{ WATCHDOG_USEC: 'often' }, undefined],
    [{ WATCHDOG_USEC: '1' }, 1],
  ])('of %j is %s', (environment, interval) => {
    expect(watchdogInterval(host(environment))).toBe(interval);
  });
});

describe('a service manager that cannot be told', () => {
  it('is complained of once, and stops nobody', () => {
    const manager = createServiceManager(host({ NOTIFY_SOCKET: '/nowhere/notify' }), silent);
    manager.ready();
    manager.status('x');
    manager.stopping();
    expect(silent.warn).toHaveBeenCalledTimes(1);
    expect(silent.warn).toHaveBeenCalledWith(
      expect.any(String),
      expect.objectContaining({ socket: '/nowhere/notify', error: expect.objectContaining({ code: 'ENOENT' }) }),
    );
  });

  it('is not there at all without a socket', () => {
    jest.mocked(silent.warn).mockClear();
    createServiceManager(host({ NOTIFY_SOCKET: '' }), silent).ready();
    expect(silent.warn).not.toHaveBeenCalled();
  });

  it('is a supervisor where there is a channel', () => {
    const send = jest.fn();
    const manager = createServiceManager({ ...host({}), send }, silent);
    manager.ready();
    manager.stopping();
    expect(send.mock.calls).toEqual([[{ holdfast: 'ready' }], [{ holdfast: 'stopping' }]]);
  });
});
