import type { Guest } from './guest.ts';

const CUT_POWER = 0x1d; // Ctrl-]

/** Joins this terminal with a shell on the guest's serial console; resolves when the shell has ended or the power was cut. */
export const openTerminal = async (guest: Guest): Promise<void> => {
  const { stdin, stdout } = process;
  const console = guest.console();
  const type = (keys: Buffer) => {
    if (keys.includes(CUT_POWER)) void guest.powerCut();
    else console.write(keys);
  };
  const show = (text: Buffer) => stdout.write(text);
  const raw = (on: boolean) => stdin.isTTY && stdin.setRawMode(on);

  raw(true);
  stdin.on('data', type);
  console.on('data', show);
  try {
    const size = `stty -F /dev/ttyS0 rows ${stdout.rows ?? 24} cols ${stdout.columns ?? 80}`;
    const shell = `TERM=${process.env['TERM'] ?? 'dumb'} setsid --ctty --wait bash --login`;
    await guest.run(`${size}\n${shell} <>/dev/ttyS0 >&0 2>&1`, { timeoutSeconds: Number.POSITIVE_INFINITY });
  } finally {
    stdin.off('data', type).pause();
    console.off('data', show);
    raw(false);
  }
};
