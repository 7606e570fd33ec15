// The writer in the guest: writer.ts PAUSE-MILLISECONDS DISK… It goes on behind the newest write it finds, and says now and then how far it is.
import { constants, openSync, readSync, writeSync } from 'node:fs';
import { BLOCK, BLOCKS, newestIn, placesOf, stampBlock } from './sequence.ts';

const [pause = '0', ...paths] = process.argv.slice(2);
const disks = paths.map((path) => openSync(path, constants.O_RDWR | constants.O_DSYNC));
const images = disks.map((fd) => {
  const image = Buffer.alloc(BLOCKS * BLOCK);
  readSync(fd, image, 0, image.length, 0);
  return image;
});

const SPEAK_EVERY = 50;
const places = placesOf(disks.length);
const block = Buffer.alloc(BLOCK);
/** Nobody rings it: waiting for it is how a thread sleeps. */
const bell = new Int32Array(new SharedArrayBuffer(4));
const newest = newestIn(images);
let sequence = 0;
let spoken = 0;

// The newest write may have been torn by a power cut: it is made again.
for (; sequence < newest - 1; sequence += 1) places.next();
for (;;) {
  const { value } = places.next();
  sequence += 1;
  stampBlock(block, sequence);
  writeSync(disks[value.disk]!, block, 0, BLOCK, value.block * BLOCK);
  const now = Date.now();
  if (now - spoken >= SPEAK_EVERY) {
    spoken = now;
    writeSync(1, `${BigInt(now) * 1_000_000n} ${sequence}\n`);
  }
  Atomics.wait(bell, 0, 0, Number(pause));
}
