import { nbdUri } from './address.ts';

test('URIs are those of other NBD programs', () => {
  expect(nbdUri({ path: '/run/holdfast/disk.sock' }, '')).toBe('nbd+unix:///?socket=/run/holdfast/disk.sock');
  expect(nbdUri({ path: '/tmp/a b&c' }, 'vm 1/disk#2')).toBe('nbd+unix:///vm%201%2Fdisk%232?socket=/tmp/a%20b%26c');
  expect(nbdUri({ host: '127.0.0.1', port: 10809 }, 'disk')).toBe('nbd://127.0.0.1:10809/disk');
  expect(nbdUri({ host: '::1', port: 1 }, '')).toBe('nbd://[::1]:1/');
});
