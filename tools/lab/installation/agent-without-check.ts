import { runProgram } from '@holdfast/daemon';
import { createProgram } from '@holdfast/mobility-agent';

/** The agent for `--no-conflict-check`: its points are wrong, and the oracles have to notice. */
await runProgram(createProgram({ checkConflicts: false }));
