import { keepFreedMemory, runProgram } from '@holdfast/daemon';
import { program } from './program.ts';

keepFreedMemory();
await runProgram(program);
