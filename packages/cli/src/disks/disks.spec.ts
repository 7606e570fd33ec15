import path from 'node:path';
import { parseListenAddress } from './listen-address.ts';

describe('an address to listen at', () => {
  it.each([
    ['127.0.0.1:10809', { host: '127.0.0.1', port: 10809 }],
    ['localhost:0', { host: 'localhost', port: 0 }],
    ['[::1]:1', { host: '::1', port: 1 }],
    ['/run/x.sock', { path: '/run/x.sock' }],
    ['x.sock', { path: path.resolve('x.sock') }],
  ])('%s', (text, address) => {
    expect(parseListenAddress(text)).toEqual(address);
  });

  it.each(['0.0.0.0:1', '192.0.2.1:10809', 'example.com:1', '[::]:1', '127.0.0.1.example.com:1', '127.0.0.1:65536', ''])(
    'not %s',
    (text) => {
      expect(() => parseListenAddress(text)).toThrow('[SETTING_INVALID]');
    },
  );
});
