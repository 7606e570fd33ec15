import { KEEP_HOLD } from './hold/keep-command.ts';

// The keeper of a hold is a small process: it loads nothing of the rest.
if (process.argv[2] === KEEP_HOLD) await (await import('./hold/keeper-process.ts')).keepHold();
else {
  const [{ carryBallast, giveBackFreed, runProgram }, { leaveProcessors }, { program }] = await Promise.all([
    import('@holdfast/daemon'),
    import('./platform/processor-share.ts'),
    import('./program.ts'),
  ]);
  // A guest on other people's machines: less than a process server has, freed memory goes back to the kernel, and nobody waits for it long.
  carryBallast(32 * 1024 * 1024);
  giveBackFreed();
  leaveProcessors();
  await runProgram(program);
}
