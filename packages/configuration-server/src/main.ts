import { keepHeapSmall, runProgram } from '@holdfast/daemon';
import { program } from './program.ts';

keepHeapSmall();
await runProgram(program);
