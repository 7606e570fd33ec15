// The exact prefix oracle as a program, for machines that no test runner reaches: exact-prefix-main.ts [--span=N] [--trust-ends]
// [--snapshots] [--busy-from=N] MILLISECONDS PAUSE-MICROSECONDS DISK… Prints the outcome as one line of JSON; exit status 1 when a point is wrong.
import { parseArgs } from 'node:util';
import { runExactPrefix } from './exact-prefix.ts';

const { values, positionals } = parseArgs({
  options: {
    span: { type: 'string', default: '1' },
    'trust-ends': { type: 'boolean', default: false },
    snapshots: { type: 'boolean', default: false },
    'busy-from': { type: 'string' },
  },
  allowPositionals: true,
});
const [milliseconds, pause, ...paths] = positionals;
const outcome = await runExactPrefix({
  paths,
  milliseconds: Number(milliseconds),
  pauseMicroseconds: Number(pause),
  span: Number(values.span),
  trustEnds: values['trust-ends'],
  snapshots: values.snapshots,
  ...(values['busy-from'] === undefined ? {} : { busyFrom: Number(values['busy-from']) }),
});
console.log(JSON.stringify(outcome));
process.exitCode = outcome.wrong.length === 0 ? 0 : 1;
