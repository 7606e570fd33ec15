import { KEEP_HOLD } from './hold/keep-command.ts';

// The keeper of a hold is a small process: it loads nothing of the rest.
if (process.argv[2] === KEEP_HOLD) await (await import('./hold/keeper-process.ts')).keepHold();
else {
  const [{ carryBallast, giveBackFreed, runProgram }, { program }] = await Promise.all([
    import('@holdfast/daemon'),
    import('./program.ts'),
  ]);
  // A guest on other people's machines: less than a process server has, and freed memory goes back to the kernel.
  carryBallast(32 * 1024 * 1024);
  giveBackFreed();
  await runProgram(program);
}
