/** `node run.cjs ARGUMENTS`: jest with these arguments, as the scripts `test` and `live` of every project run it. See supervise.cjs. */
const supervise = require('./supervise.cjs');

/** Milliseconds one file of `npm test` may take: several times the longest. Campaigns take as long as they are told. */
const LIMIT = process.env.HOLDFAST_TESTS === 'long' ? Number.POSITIVE_INFINITY : 600_000;

supervise(process.argv.slice(2), { limit: LIMIT }).then((end) => {
  if (typeof end === 'string') process.kill(process.pid, end);
  else process.exitCode = end;
});
