import type { Duplex, Readable } from 'node:stream';
import type { Surroundings } from '../surroundings.ts';

const LEAVE = 0x1d; // Ctrl-]

/** Joins a terminal with a console; resolves when the machine goes off, the person leaves, or the command is asked to end. */
export const joinConsole = async ({ stdout, stderr, stop }: Surroundings, keys: Readable, console: Duplex): Promise<void> => {
  stderr.write('Joined the serial console; Ctrl-] leaves it. Press Enter for a prompt.\r\n');
  const { promise: left, resolve: leave } = Promise.withResolvers<void>();
  const type = (typed: Buffer): void => {
    if (typed.includes(LEAVE)) leave();
    else console.write(typed);
  };
  const show = (text: Buffer): void => void stdout.write(text.toString('latin1'));
  keys.on('data', type);
  keys.on('end', leave);
  console.on('data', show);
  console.on('close', leave);
  stop.addEventListener('abort', () => leave(), { once: true });
  try {
    if (!stop.aborted) await left;
  } finally {
    keys.off('data', type);
    console.destroy();
    stderr.write('\r\nLeft the console.\r\n');
  }
};
