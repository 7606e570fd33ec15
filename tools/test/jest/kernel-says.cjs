const { spawnSync } = require('node:child_process');

/** What the kernel notes of a process that crashed or was killed for its memory. */
const DEATHS = /segfault|traps?:|general protection|out of memory|oom-kill|killed process/i;
const LINES = 4;

/** The last such lines of what `dmesg` prints, from the time on when the machine was up for `uptime` seconds. */
const deathsIn = (text, uptime) =>
  text
    .split('\n')
    .filter((line) => DEATHS.test(line) && Number(/^\[ *([\d.]+)\]/.exec(line)?.[1]) >= uptime)
    .slice(-LINES);

/** Such lines of any process; none where they cannot be read. */
const kernelSays = (uptime) =>
  deathsIn(spawnSync('dmesg', [], { encoding: 'utf8', timeout: 5000, maxBuffer: 16 * 1024 * 1024 }).stdout ?? '', uptime);

module.exports = { deathsIn, kernelSays };
