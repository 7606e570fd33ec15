import { HOLD_WATCHDOG } from './hold/watchdog-command.ts';

// The watchdog of a hold is a small process: it loads nothing of the rest.
if (process.argv[2] === HOLD_WATCHDOG) await (await import('./hold/watchdog-process.ts')).serveHold();
else {
  const [{ carryBallast, giveBackFreed, runProgram }, { leaveProcessors }, { createProgram }] = await Promise.all([
    import('@holdfast/daemon'),
    import('./platform/processor-share.ts'),
    import('./program.ts'),
  ]);
  // A guest on other people's machines: less than a process server has, freed memory goes back to the kernel, and nobody waits for it long.
  carryBallast(32 * 1024 * 1024);
  giveBackFreed();
  await runProgram(createProgram({ processors: leaveProcessors() }));
}
