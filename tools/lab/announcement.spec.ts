import { announce, type LabKind, missingPackages, type Plan } from './announcement.ts';
import { parseOptions } from './options.ts';

describe('the announcement', () => {
  const plan = (kind: LabKind, missing: string[] = [], ...args: string[]): Plan => ({
    kind,
    options: parseOptions(args),
    directory: '/tmp/holdfast-lab-1',
    memoryDirectory: '/dev/shm',
    imageSize: 192 * 2 ** 20,
    missing,
  });
  const text = (...from: Parameters<typeof plan>): string => announce(plan(...from)).join('\n');

  it('says everything that will be installed and created', () => {
    const words = text('ledger', ['xfsprogs', 'nbdkit'], '--vault', 'file:/srv/v');
    for (const thing of [
      'Debian packages: xfsprogs nbdkit',
      'loop devices',
      '768 MiB',
      'ext4 and XFS',
      'tracefs instance holdfast-',
      'a process server',
      '/dev/shm',
      '/srv/v',
      '2 min 45 s',
    ])
      expect(words).toContain(thing);
    expect(text('ledger')).toMatch(/installs +nothing/);
    expect(text('ledger')).toContain('Azurite');
    expect(text('ledger', [], '--keep')).toContain('/tmp/holdfast-lab-1/vault');
  });

  it('says what it does to the disks of the user, and what it leaves out without root', () => {
    expect(text('disks', [], '--disk', '/dev/x')).toMatch(/reads +\/dev\/x.*nothing is written/);
    expect(text('disks', [], '--disk', '/dev/x')).not.toContain('loop devices');
    expect(text('image')).toMatch(/Left out: real disks[\s\S]*databases/);
    expect(text('image')).not.toContain('tracefs');
  });

  it('names the packages the machine lacks', () => {
    expect(missingPackages(() => true)).toEqual([]);
    expect(missingPackages(() => false)).toEqual(expect.arrayContaining(['xfsprogs', 'qemu-utils']));
    expect(missingPackages(() => false)).not.toContain('qemu-system-x86');
  });
});
