import { carryBallast, keepFreedMemory, runProgram } from '@holdfast/daemon';
import { program } from './program.ts';

keepFreedMemory();
carryBallast(96 * 1024 * 1024);
await runProgram(program);
