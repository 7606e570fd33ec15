import { createRequire } from 'node:module';

type Packages = Record<string, Record<string, unknown>>;

const { complete, missingEntries } = createRequire(__filename)('./complete-lock.cjs') as {
  complete(lock: { packages: Packages }): { packages: Packages };
  missingEntries(lock: { packages: Packages }): Packages;
};

const lockWith = (optionalDependencies: Record<string, string>, more: Packages = {}) => ({
  packages: { '': { name: 'top' }, 'node_modules/z': { dev: true, optionalDependencies }, ...more },
});

describe('completing package-lock.json', () => {
  it('adds what is missing, with the platform its name tells, and nothing the second time', () => {
    const lock = lockWith({ '@z/linux-arm-musleabihf': '1.2.3', '@z/win32-x64-gnu': '1.2.3', '@z/linux-aarch64': '1.2.3' });
    const done = complete(lock);
    expect(done.packages).toEqual({
      ...lock.packages,
      'node_modules/@z/linux-arm-musleabihf': { version: '1.2.3', cpu: ['arm'], dev: true, libc: ['musl'], optional: true, os: ['linux'] },
      'node_modules/@z/win32-x64-gnu': { version: '1.2.3', cpu: ['x64'], dev: true, optional: true, os: ['win32'] },
      'node_modules/@z/linux-aarch64': { version: '1.2.3', cpu: ['arm64'], dev: true, optional: true, os: ['linux'] },
    });
    expect(Object.keys(done.packages)).toEqual(['', ...Object.keys(done.packages).slice(1).toSorted()]);
    expect(missingEntries(done)).toEqual({});
  });

  it('finds a package beside its parent, above it, or above a workspace', () => {
    const nested = lockWith({ '@z/linux-x64': '1.0.0' }, { 'node_modules/z/node_modules/@z/linux-x64': {} });
    const workspace = { packages: { '': {}, 'packages/a': { optionalDependencies: { b: '1.0.0' } }, 'node_modules/b': {} } };
    expect(missingEntries(nested)).toEqual({});
    expect(missingEntries(workspace)).toEqual({});
  });

  it('refuses to guess a version or a platform', () => {
    expect(() => missingEntries(lockWith({ '@z/linux-x64': '^1.0.0' }))).toThrow('no exact version');
    expect(() => missingEntries(lockWith({ sugar: '1.0.0' }))).toThrow('its platform cannot be told');
  });
});
