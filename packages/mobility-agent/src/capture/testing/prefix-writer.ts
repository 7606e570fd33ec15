// A writer of the exact prefix oracle, run as a process: prefix-writer.ts NUMBER ACKNOWLEDGED-FILE PAUSE-MICROSECONDS SPAN DISK…
// After every completed write it stores the number of writes made at 8 * NUMBER of the file. Ends when its standard input does.
import { constants, openSync, writeSync } from 'node:fs';
import { BLOCK_SIZE } from '@holdfast/block';
import { allocatePages } from '../../platform/memory.ts';
import { stamp, writesOf } from './prefix-workload.ts';

const [number, acknowledged, pause, span, ...paths] = process.argv.slice(2);
const writer = Number(number);
const disks = paths.map((path) => openSync(path, constants.O_WRONLY | constants.O_DIRECT));
const counter = openSync(acknowledged!, 'r+');
const blocks = Buffer.from(allocatePages(Number(span) * BLOCK_SIZE).bytes.buffer);
const count = Buffer.alloc(8);
const writes = writesOf(writer, disks.length, Number(span));
/** Nobody rings it: waiting for it is how a thread sleeps for less than a timer's millisecond, and without turning. */
const bell = new Int32Array(new SharedArrayBuffer(4));
let sequence = 0;

const burst = (): void => {
  const until = process.hrtime.bigint() + 20_000_000n;
  while (process.hrtime.bigint() < until) {
    const { value } = writes.next();
    sequence += 1;
    stamp(blocks, writer, sequence);
    writeSync(disks[value.disk]!, blocks, 0, blocks.length, value.block * BLOCK_SIZE);
    count.writeBigUInt64LE(BigInt(sequence));
    writeSync(counter, count, 0, 8, writer * 8);
    if (Number(pause) > 0) Atomics.wait(bell, 0, 0, Number(pause) / 1000);
  }
  setImmediate(burst);
};

process.stdin.on('end', () => process.exit(0)).resume();
burst();
