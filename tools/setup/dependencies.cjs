/**
 * node_modules as package-lock.json wants it. npm keeps what it installed in node_modules/.package-lock.json and writes that file
 * last: it is the stamp, and an `npm ci` that was killed half-way leaves none.
 */
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const packagesOf = (file) => {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8')).packages;
  } catch {
    return undefined;
  }
};

/** Why `npm ci` is needed in `root`, or undefined when it is not. */
const staleness = (root) => {
  const installed = packagesOf(path.join(root, 'node_modules', '.package-lock.json'));
  if (installed === undefined) return 'node_modules is missing';
  const wanted = packagesOf(path.join(root, 'package-lock.json')) ?? {};
  for (const [name, entry] of Object.entries(wanted)) {
    const there = installed[name];
    // Optional packages are for other platforms as often as for this one: absent is fine, another version is not.
    if (name === '' || (there === undefined && entry.optional)) continue;
    if (there?.version !== entry.version || there?.integrity !== entry.integrity) return `${name} is not what package-lock.json says`;
  }
  return undefined;
};

/** npm started us in most cases and says where it is; else it is on the PATH. */
const npm = (args, root) => {
  const cli = process.env.npm_execpath;
  const options = { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 };
  if (cli?.endsWith('npm-cli.js')) return spawnSync(process.execPath, [cli, ...args], options);
  return spawnSync('npm', args, { ...options, shell: process.platform === 'win32' });
};

/** Installs the dependencies if they are missing or stale; silent when there is nothing to do or nothing to say. */
const installDependencies = (root, print) => {
  const reason = staleness(root);
  if (reason === undefined) return;
  print(`set-up: ${reason}, running npm ci …`);
  const start = Date.now();
  const run = npm(['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error'], root);
  if (run.status !== 0) {
    const why = run.error?.message ?? `npm ci ended with ${run.status ?? run.signal}`;
    const said = `${run.stdout ?? ''}${run.stderr ?? ''}`.trim();
    throw new Error(`[TOOL_MISSING] node_modules: ${why}; look at npm's words, check the network and the registry, try again\n${said}`);
  }
  print(`set-up: npm ci took ${((Date.now() - start) / 1000).toFixed(1)} s`);
};

module.exports = { installDependencies, staleness };
