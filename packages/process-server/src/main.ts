import { runProgram } from '@holdfast/daemon';
import { program } from './program.ts';

await runProgram(program);
