const { spawnSync } = require('node:child_process');

/** What the kernel notes of a process that crashed or was killed for its memory. */
const DEATHS = /segfault|traps?:|general protection|out of memory|oom-kill|killed process/i;
const LINES = 4;

/** Such lines since the machine was up for `uptime` seconds, of any process; none where they cannot be read. */
module.exports = (uptime) => {
  const { stdout } = spawnSync('dmesg', [], { encoding: 'utf8', timeout: 5000, maxBuffer: 16 * 1024 * 1024 });
  return (stdout ?? '')
    .split('\n')
    .filter((line) => DEATHS.test(line) && Number(/^\[ *([\d.]+)\]/.exec(line)?.[1]) >= uptime)
    .slice(-LINES);
};
