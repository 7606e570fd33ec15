/**
 * What `npm run NAME` does. `script` is run by node, relative to the root of the tree; it gets `args` first, then the user's own.
 */
const path = require('node:path');

/** The file behind a program of node_modules. */
const programOf = (name) => {
  const { bin } = require(`${name}/package.json`);
  return path.join('node_modules', name, typeof bin === 'string' ? bin : bin[path.basename(name)]);
};

const COMMANDS = {
  start: { says: 'protect a machine made of two loop devices, recover it, prove every byte', script: () => 'tools/lab/start.ts' },
  lab: { says: 'up, status, down: an installation with a machine, to play with', script: () => 'tools/lab/standing/main.ts' },
  test: { says: 'install what the tests need, then run every check and every test', script: () => 'tools/test/main.ts' },
  bench: { says: 'measure one thing against another on this machine', script: () => 'tools/bench/main.ts' },
  chaos: { says: 'break things on a schedule made from a seed, verify every point', script: () => 'tools/chaos/main.ts' },
  drill: { says: 'lose a whole site, come back from a vault and its key, and tell how long it took', script: () => 'tools/drill/main.ts' },
  'e2e:recovery': {
    says: 'fail a whole Debian server over, its database at work, and look at it from inside',
    script: () => 'tools/e2e/main.ts',
  },
  guest: { says: 'run a small Debian guest in QEMU', script: () => 'tools/guest/main.ts' },
  holdfast: { says: 'the command line: look after vaults, recover from them', script: () => 'packages/cli/src/main.ts' },
  build: { says: 'build all packages', script: () => programOf('nx'), args: ['run-many', '--targets=build'] },
  bundle: { says: 'make what is installed on other machines', script: () => 'tools/bundle/main.ts' },
  docs: { says: 'bring the tables of settings in docs/ up to date', script: () => 'tools/docs/main.ts' },
  generate: {
    says: 'generate packages/protocol from proto/',
    script: () => programOf('@bufbuild/buf'),
    args: ['generate', 'proto', '--template', 'proto/buf.gen.yaml'],
  },
};

module.exports = { COMMANDS };
