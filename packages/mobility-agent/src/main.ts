import { KEEP_HOLD } from './hold/keep-command.ts';

// The keeper of a hold is a small process: it loads nothing of the rest.
if (process.argv[2] === KEEP_HOLD) await (await import('./hold/keeper-process.ts')).keepHold();
else {
  const [{ runProgram }, { program }] = await Promise.all([import('@holdfast/daemon'), import('./program.ts')]);
  await runProgram(program);
}
