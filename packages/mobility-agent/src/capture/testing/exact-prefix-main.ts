// The exact prefix oracle as a program, for machines that no test runner reaches: exact-prefix-main.ts MILLISECONDS PAUSE-MICROSECONDS DISK…
// Prints the outcome as one line of JSON; exit status 1 when a point is wrong.
import { runExactPrefix } from './exact-prefix.ts';

const [milliseconds, pause, ...paths] = process.argv.slice(2);
const outcome = await runExactPrefix({ paths, milliseconds: Number(milliseconds), pauseMicroseconds: Number(pause) });
console.log(JSON.stringify(outcome));
process.exitCode = outcome.wrong.length === 0 ? 0 : 1;
