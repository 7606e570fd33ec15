/**
 * The first thing every command runs: `node tools/bootstrap.cjs COMMAND [ARGUMENTS]`.
 * This file is written so that even a very old node can read it, say what is missing, and end with the documented status.
 * Everything else is in setup/launch.cjs.
 */
var OLDEST_NODE = 20;
/** Exit status of TOOL_MISSING, see docs/errors.md. */
var TOOL_MISSING_STATUS = 5;
var TOO_OLD = [
  '[TOOL_MISSING] node ' + process.version + ' (' + process.execPath + '): Holdfast needs node ' + OLDEST_NODE + ' or newer to start;',
  'install one (https://nodejs.org/en/download, or `nvm install 24`) and run the same command again',
];

if (parseInt(process.versions.node, 10) < OLDEST_NODE) {
  console.error(TOO_OLD.join(' '));
  process.exit(TOOL_MISSING_STATUS);
}

require('./setup/launch.cjs').launch(process.argv.slice(2));
