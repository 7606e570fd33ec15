/**
 * What the slots are for: a process that reads pages into its own memory and then appends their number of records to a file.
 * `collecting-process.ts <instance name> <file> <device number>`. Killed between the two it leaves events that were read and are nowhere.
 */
import { appendFileSync, readSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { parseRingPage, timeBase } from '../ring-page.ts';
import { createTraceInstance } from '../trace-instance.ts';
import { findTracefs } from '../tracefs.ts';

// It never ends by itself: what was compiled is kept now, for the next one.
flushCompileCache();

const [name, file, device] = process.argv.slice(2);
const instance = createTraceInstance(findTracefs(), name!, 16 * 1024 * 1024);
instance.follow([{ device: Number(device), gathersDiscards: false, bioBased: false, passThrough: undefined }]);
const rings = instance.cpus.map((_, cpu) => instance.openRing(cpu));
/** What writing it down for good costs, in nanoseconds. */
const FSYNC = 5_000_000n;
const page = new Uint32Array(instance.subBufferBytes / 4);

const read = (ring: number): number => {
  try {
    return readSync(ring, new Uint8Array(page.buffer));
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code === 'EAGAIN') return 0;
    throw reason;
  }
};

process.stdout.write('ready\n');
for (;;) {
  for (const [cpu, ring] of rings.entries()) {
    while (read(ring) > 0) {
      const { records } = parseRingPage(page, timeBase(0n), { record: () => {} });
      const end = process.hrtime.bigint() + FSYNC;
      while (process.hrtime.bigint() < end);
      appendFileSync(file!, `${cpu} ${records}\n`);
    }
  }
}
