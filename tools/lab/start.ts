import { fromSystem } from '@holdfast/errors';
import { run } from './run.ts';

/** `npm start`: everything is in run.ts; here only the process ends. */

// Nobody reads any more (`npm start | head`): that ends a run like Ctrl-C, and what it made is taken away.
process.stdout.on('error', () => process.kill(process.pid, 'SIGTERM'));

try {
  process.exitCode = await run(process.argv.slice(2), process.stdout);
} catch (reason) {
  const error = fromSystem(reason, 'the lab', 'INTERNAL');
  console.error(error.code === 'INTERNAL' && reason instanceof Error ? (reason.stack ?? error.message) : error.message);
  process.exitCode = error.exitCode;
}
