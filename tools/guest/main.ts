import { fromSystem } from '@holdfast/errors';
import { ensureTools } from '../setup/ensure-tools.ts';
import { HELP, parseCommandLine } from './command-line.ts';
import { startGuest } from './guest.ts';
import { createGuestImage, type GuestImage } from './image.ts';
import { WORKSPACE } from './image-cache.ts';
import { openTerminal } from './terminal.ts';

const print = (line: string): void => void process.stderr.write(`${line}\n`);

/** Builds the image if need be; Ctrl-C stops the build and removes what it made. */
const interruptibleImage = async (): Promise<GuestImage> => {
  const interrupt = new AbortController();
  const stop = () => interrupt.abort();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stop);
  try {
    return await createGuestImage({ print, signal: interrupt.signal });
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.off(signal, stop);
  }
};

const main = async (args: readonly string[]): Promise<number> => {
  const { help, run, share, ...options } = parseCommandLine(args);
  if (help) {
    console.log(HELP);
    return 0;
  }
  await ensureTools(['guest'], { print });
  const image = await interruptibleImage();
  print(`guest: booting Debian with Linux ${image.release} in QEMU …`);
  await using guest = await startGuest({ ...options, image, share: { '/share': share ?? WORKSPACE } });
  if (run === undefined) {
    print('guest: a root shell; exit ends the guest, Ctrl-] cuts its power');
    await openTerminal(guest);
    return 0;
  }
  const { status, stdout, stderr } = await guest.run(run, { timeoutSeconds: Number.POSITIVE_INFINITY });
  process.stdout.write(stdout);
  process.stderr.write(stderr);
  return status ?? 1;
};

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (reason) {
  const error = fromSystem(reason, 'guest', 'INTERNAL');
  print(error.message);
  process.exitCode = error.exitCode;
}
