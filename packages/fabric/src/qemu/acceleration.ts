import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { HoldfastError } from '@holdfast/errors';

export type Acceleration = 'kvm' | 'tcg';

/** The best there is. The device alone proves nothing: it may open on a processor that cannot run machines, and hang. */
export const findAcceleration = async (): Promise<Acceleration> => {
  const can = /^flags\s*:.*\b(vmx|svm)\b/m.test(await readFile('/proc/cpuinfo', 'latin1').catch(() => ''));
  if (!can) return 'tcg';
  return access('/dev/kvm', constants.R_OK | constants.W_OK).then(
    () => 'kvm',
    () => 'tcg',
  );
};

/** `7.2`. Errors: TOOL_MISSING. */
export const qemuVersion = async (program: string): Promise<number> => {
  const said = await promisify(execFile)(program, ['--version']).catch((cause: unknown) => {
    throw new HoldfastError('TOOL_MISSING', {
      thing: program,
      why: 'it is not installed here',
      remedy: 'install it: on Debian `apt install qemu-system-x86 qemu-utils`',
      cause,
    });
  });
  const [, major = '0', minor = '0'] = /version (\d+)\.(\d+)/.exec(said.stdout) ?? [];
  return Number(`${major}.${minor}`);
};
