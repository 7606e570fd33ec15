import { keepMemorySmall, runProgram } from '@holdfast/daemon';
import { program } from './program.ts';

keepMemorySmall();
await runProgram(program);
