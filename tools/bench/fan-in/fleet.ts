import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { FleetFigures, FleetRequest, FleetSettings } from './fleet-messages.ts';

/** Many simulated agents, in a process of their own. */
export interface Fleet {
  /** Since the call before. */
  figures(): Promise<FleetFigures>;
  stop(): Promise<void>;
}

export const startFleet = (settings: FleetSettings): Fleet => {
  const main = fileURLToPath(new URL('./fleet-main.ts', import.meta.url));
  const child: ChildProcess = fork(main, { serialization: 'advanced', stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the fleet ended with ${code}`);
  });
  ended.catch(() => undefined);
  const ask = (request: FleetRequest): void => void child.send(request);
  ask({ kind: 'start', settings });
  return {
    async figures() {
      const answer = once(child, 'message');
      ask({ kind: 'figures' });
      const [figures] = await Promise.race([answer, ended]);
      return figures as FleetFigures;
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      await exit;
    },
  };
};
