// One jest set-up for all packages: TypeScript through swc as CommonJS, workspace packages from source.
// `*.spec.ts` are hermetic; `*.live.spec.ts` need root, the kernel or outside programs and run with HOLDFAST_TESTS=live.
const path = require('node:path');

// Packages that exist as ES modules only, which jest's CommonJS cannot load as they are.
const MODULES_ONLY = '(commander|https?-proxy-agent|agent-base|proxy-agent-negotiate)/';
const swc = (syntax) => [
  require.resolve('@swc/jest'),
  { jsc: { target: 'es2024', parser: { syntax } }, module: { type: 'commonjs' }, sourceMaps: 'inline' },
];

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
    transform: { '^.+\\.ts$': swc('typescript'), [`/node_modules/${MODULES_ONLY}.+\\.js$`]: swc('ecmascript') },
    transformIgnorePatterns: [`/node_modules/(?!${MODULES_ONLY})`],
    reporters: ['default', [path.join(__dirname, 'tools/test/jest/reporter.cjs'), { project: path.basename(root), live }]],
  };
};
