import { isWithin, mountOf, parseMounts } from './mounts.ts';

describe('mounts', () => {
  const text = [
    '25 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw',
    '30 25 0:26 / /tmp/with\\040blank rw - tmpfs tmpfs rw',
    '31 25 7:3 /sub /tmp rw shared:2 master:1 - xfs /dev/loop3 rw,attr2',
    '',
  ].join('\n');

  it('are parsed as the kernel writes them', () => {
    expect(parseMounts(text)).toEqual([
      { directory: '/', type: 'ext4', source: '/dev/root', deviceNumber: '254:0' },
      { directory: '/tmp/with blank', type: 'tmpfs', source: 'tmpfs', deviceNumber: '0:26' },
      { directory: '/tmp', type: 'xfs', source: '/dev/loop3', deviceNumber: '7:3' },
    ]);
  });

  it('hold the files below them, not those whose names merely begin alike', () => {
    const mounts = parseMounts(text);
    expect(mountOf('/tmp/x', mounts)?.directory).toBe('/tmp');
    expect(mountOf('/tmpx', mounts)?.directory).toBe('/');
    expect(mountOf('/tmp/with blank/x', mounts)?.directory).toBe('/tmp/with blank');
    expect([isWithin('/a/b', '/a'), isWithin('/a', '/a'), isWithin('/ab', '/a')]).toEqual([true, true, false]);
  });
});
