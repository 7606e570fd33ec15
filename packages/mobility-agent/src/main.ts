import { KEEP_HOLD } from './hold/keep-command.ts';

// The keeper of a hold is a small process: it loads nothing of the rest.
if (process.argv[2] === KEEP_HOLD) await (await import('./hold/keeper-process.ts')).keepHold();
else {
  const [{ keepFreedMemory, runProgram }, { program }] = await Promise.all([import('@holdfast/daemon'), import('./program.ts')]);
  keepFreedMemory();
  await runProgram(program);
}
