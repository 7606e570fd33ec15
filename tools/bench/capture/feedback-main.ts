// `holdfast-agent` that takes its own files for the machine's, and so follows its own writes: the negative control of no-feedback.long.spec.ts.
import { runProgram } from '@holdfast/daemon';
import { createProgram } from '@holdfast/mobility-agent';

await runProgram(createProgram({ excludeOwnFiles: false }));
