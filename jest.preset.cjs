// One jest set-up for all packages: TypeScript through swc as CommonJS, workspace packages from source.
// `*.spec.ts` are hermetic; `*.live.spec.ts` need root, the kernel or outside programs and run with HOLDFAST_TESTS=live.
// `*.long.spec.ts` need that too and take too long for `npm test`: HOLDFAST_TESTS=long.
const path = require('node:path');

// Programs that specs start from their sources compile them once, not at every start: that is two thirds of a start.
process.env.NODE_COMPILE_CACHE ??= path.join(__dirname, 'node_modules/.cache/holdfast-compiled');

// Packages that exist as ES modules only, which jest's CommonJS cannot load as they are.
const MODULES_ONLY = '(commander|https?-proxy-agent|agent-base|proxy-agent-negotiate)/';
const swc = (syntax) => [
  require.resolve('@swc/jest'),
  { jsc: { target: 'es2024', parser: { syntax } }, module: { type: 'commonjs' }, sourceMaps: 'inline' },
];

module.exports = (root) => {
  const kind = ['live', 'long'].find((one) => one === process.env.HOLDFAST_TESTS);
  const live = kind !== undefined;
  return {
    rootDir: root,
    displayName: path.basename(root) + (live ? ` (${kind})` : ''),
    passWithNoTests: true,
    globalTeardown: path.join(__dirname, 'tools/test/jest/end.cjs'),
    moduleNameMapper: { '^fast-check$': path.join(__dirname, 'tools/test/jest/fast-check.cjs') },
    setupFilesAfterEnv: [path.join(__dirname, 'tools/test/jest/unless.ts')],
    testEnvironment: 'node',
    testEnvironmentOptions: { customExportConditions: ['@holdfast/source', 'node', 'node-addons'] },
    testPathIgnorePatterns: ['/node_modules/', '/dist/', ...(live ? [] : ['\\.(live|long)\\.spec\\.ts$'])],
    testRegex: live ? `\\.${kind}\\.spec\\.ts$` : '\\.spec\\.ts$',
    testTimeout: live ? 300_000 : 60_000,
    modulePathIgnorePatterns: ['<rootDir>/dist/'],
    transform: { '^.+\\.ts$': swc('typescript'), [`/node_modules/${MODULES_ONLY}.+\\.js$`]: swc('ecmascript') },
    transformIgnorePatterns: [`/node_modules/(?!${MODULES_ONLY})`],
    reporters: [
      'default',
      [path.join(__dirname, 'tools/test/jest/reporter.cjs'), { live }],
      path.join(__dirname, 'tools/test/jest/tell.cjs'),
    ],
  };
};
