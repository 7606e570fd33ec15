/**
 * From any node >= 20 to the real command: install the dependencies, find the node the project is made for (it comes from npm),
 * run the command there, hand signals down and the exit status up.
 */
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { COMMANDS } = require('./commands.cjs');
const { installDependencies } = require('./dependencies.cjs');

const ROOT = path.resolve(__dirname, '../..');
/** Exit statuses of docs/errors.md. */
const STATUS = { usage: 2, toolMissing: 5 };
/** The oldest node that runs TypeScript files without a flag. */
const OLDEST_OWN_NODE = [22, 18];

const help = () => `Holdfast, from a fresh clone. Usage: npm run NAME [-- ARGUMENTS]   (or: node tools/bootstrap.cjs NAME [ARGUMENTS])

${Object.entries(COMMANDS)
  .map(([name, { says }]) => `  ${name.padEnd(14)}${says}`)
  .join('\n')}

Each first installs what is missing: dependencies by npm ci, Debian packages where it needs them (root), and says so.
\`npm run NAME -- --help\` tells more. Exit statuses and errors: docs/errors.md.`;

const fail = (status, message) => {
  console.error(message);
  process.exit(status);
};

/** The node 24 installed with the dependencies, else this one if it is new enough. */
const findNode = () => {
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  const home = path.join(ROOT, 'node_modules', `node-${platform}-${process.arch}`, 'bin');
  const bundled = path.join(home, process.platform === 'win32' ? 'node.exe' : 'node');
  if (fs.existsSync(bundled)) return bundled;
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > OLDEST_OWN_NODE[0] || (major === OLDEST_OWN_NODE[0] && minor >= OLDEST_OWN_NODE[1])) return process.execPath;
  return fail(
    STATUS.toolMissing,
    `[TOOL_MISSING] node ${process.version}: npm has no node 24 for ${platform}-${process.arch} and this one cannot run TypeScript; ` +
      `install node ${OLDEST_OWN_NODE.join('.')} or newer and run the same command again`,
  );
};

const run = (node, args) => {
  const bin = path.join(ROOT, 'node_modules', '.bin');
  const child = spawn(node, ['--conditions=@holdfast/source', '--disable-warning=ExperimentalWarning', ...args], {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, NX_DAEMON: 'false', PATH: [bin, path.dirname(node), process.env.PATH].join(path.delimiter) },
  });
  // A terminal sends Ctrl-C to the child as well; whoever signals this process alone has no terminal, or sends SIGTERM.
  const terminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  process.on('SIGINT', () => terminal || child.kill('SIGINT'));
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => fail(STATUS.toolMissing, `[TOOL_MISSING] ${node}: ${error.message}; remove node_modules and try again`));
  child.on('exit', (status, signal) => process.exit(signal === null ? status : 128 + os.constants.signals[signal]));
};

const launch = ([name, ...args]) => {
  if (name === undefined || name === '--help' || name === 'help') {
    console.log(help());
    process.exit(name === undefined ? STATUS.usage : 0);
  }
  if (!Object.hasOwn(COMMANDS, name)) fail(STATUS.usage, `[SETTING_UNKNOWN] ${name}: no such command; use one of these\n\n${help()}`);
  try {
    installDependencies(ROOT, (line) => console.error(line));
  } catch (error) {
    fail(STATUS.toolMissing, error.message);
  }
  const command = COMMANDS[name];
  run(findNode(), [command.script(), ...(command.args ?? []), ...args]);
};

module.exports = { launch, run };
