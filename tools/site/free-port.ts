import { createServer } from 'node:net';
import { HoldfastError } from '@holdfast/errors';
import { createRandom, randomBelow } from '../lab/random.ts';

/** Below the ports that the kernel gives to outgoing connections (32768 and above unless told): nobody gets one of these by chance. */
const LOWEST = 20_100;
const COUNT = 12_000;
const TRIES = 200;
/** Given away, though perhaps not listened on yet, or found taken. */
const tried = new Set<number>();

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });

/** A port of this machine that nobody listens on, to be written into a settings file before the program starts. */
export const freePort = async (): Promise<number> => {
  const random = createRandom(process.pid * 1000 + (Date.now() % 1000));
  for (let tries = 0; tries < TRIES; tries += 1) {
    const port = LOWEST + randomBelow(random, COUNT);
    if (tried.has(port)) continue;
    tried.add(port);
    if (await isFree(port)) return port;
  }
  throw new HoldfastError('IO_FAILED', {
    thing: '127.0.0.1',
    why: `no free port was found in ${TRIES} tries`,
    remedy: 'end what holds so many ports and try again',
  });
};
