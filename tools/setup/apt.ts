import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

/** Installs Debian packages by name; the error carries the words of the package manager. */
export interface PackageManager {
  /** Why it cannot install anything here, or undefined when it can. */
  unusable(): string | undefined;
  install(packages: readonly string[]): Promise<void>;
}

interface AptOptions {
  /** The program, for tests. */
  readonly program?: string;
  /** How long to wait for another apt or dpkg to finish. */
  readonly lockPatienceMs?: number;
  readonly lockPollMs?: number;
}

const LOCKED = /Could not get lock|Unable to acquire the dpkg frontend lock/;

const runFile = promisify(execFile);

/** apt-get, asking nothing, installing no recommendations, waiting while another one holds its locks. */
export const createApt = ({ program = 'apt-get', lockPatienceMs = 300_000, lockPollMs = 2_000 }: AptOptions = {}): PackageManager => {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' };

  const run = async (args: readonly string[]): Promise<void> => {
    const deadline = Date.now() + lockPatienceMs;
    for (;;) {
      try {
        await runFile(program, args, { env, maxBuffer: 1 << 26 });
        return;
      } catch (reason) {
        const { stderr = '' } = reason as { stderr?: string };
        if (!LOCKED.test(stderr) || Date.now() >= deadline) throw new Error(stderr.trim() || String(reason), { cause: reason });
      }
      await sleep(lockPollMs);
    }
  };

  return {
    unusable: () => (process.getuid?.() === 0 ? undefined : 'installing packages needs root'),
    install: async (packages) => {
      // Fresh lists, if the network has them; stale lists may still name packages that can be fetched.
      const stale = await run(['update']).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      try {
        await run(['install', '--yes', '--no-install-recommends', ...packages]);
      } catch (reason) {
        if (stale === undefined || !(reason instanceof Error)) throw reason;
        throw new Error(`${reason.message} (and apt-get update failed: ${(stale as Error).message})`, { cause: reason });
      }
    },
  };
};
