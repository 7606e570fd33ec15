// One jest set-up for all packages: TypeScript through swc as CommonJS, workspace packages from source.
// `*.spec.ts` are hermetic; `*.live.spec.ts` need root, the kernel or outside programs and run with HOLDFAST_TESTS=live.
const path = require('node:path');

module.exports = (root) => {
  const live = process.env.HOLDFAST_TESTS === 'live';
  return {
    rootDir: root,
    displayName: path.basename(root) + (live ? ' (live)' : ''),
    passWithNoTests: true,
    setupFilesAfterEnv: [path.join(__dirname, 'tools/test/jest/unless.ts')],
    testEnvironment: 'node',
    testEnvironmentOptions: { customExportConditions: ['@holdfast/source', 'node', 'node-addons'] },
    testPathIgnorePatterns: ['/node_modules/', '/dist/', ...(live ? [] : ['\\.live\\.spec\\.ts$'])],
    testRegex: live ? '\\.live\\.spec\\.ts$' : '\\.spec\\.ts$',
    testTimeout: live ? 300_000 : 60_000,
    modulePathIgnorePatterns: ['<rootDir>/dist/'],
    transform: {
      '^.+\\.ts$': [
        require.resolve('@swc/jest'),
        { jsc: { target: 'es2024', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' }, sourceMaps: 'inline' },
      ],
    },
    transformIgnorePatterns: ['/node_modules/'],
    reporters: ['default', [path.join(__dirname, 'tools/test/jest/reporter.cjs'), { project: path.basename(root), live }]],
  };
};
