import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { DiskPhase } from '@holdfast/protocol';
import type { AgentFile, AgentLine } from './agent-main.ts';

/** An agent's engine in a process, through all its lives. */
export interface AgentProcess {
  readonly status: NonNullable<AgentLine['status']> | undefined;
  /** What all lives have sent, as far as they said. */
  readonly sentBytes: number;
  readonly events: readonly NonNullable<AgentLine['event']>[];
  readonly pid: number;
  start(change?: Partial<AgentFile>): Promise<void>;
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Looks until it is so; rejects when the process has ended, or after so many milliseconds. */
  until(what: string, holds: (status: NonNullable<AgentLine['status']>) => boolean, milliseconds?: number): Promise<void>;
  /** It replicates, and everything is in the vault. */
  settled(): Promise<void>;
}

const FLAGS = ['--conditions=@holdfast/source', '--disable-warning=ExperimentalWarning'];

/** `main`: the path of agent-main.ts. */
export const createAgentProcess = (file: AgentFile, main: string): AgentProcess => {
  const events: NonNullable<AgentLine['event']>[] = [];
  const noise: string[] = [];
  let child: ChildProcess | undefined;
  let status: AgentLine['status'];
  let sentBefore = 0;
  const isOver = (): boolean => child === undefined || child.exitCode !== null || child.signalCode !== null;

  const agent: AgentProcess = {
    events,
    get status() {
      return status;
    },
    get sentBytes() {
      return sentBefore + (status?.sentBytes ?? 0);
    },
    get pid() {
      return child?.pid ?? 0;
    },
    async start(change = {}) {
      const place = path.join(file.directory, 'agent.json');
      await writeFile(place, JSON.stringify({ ...file, ...change }), { mode: 0o600 });
      status = undefined;
      const { HOLDFAST_TESTS: _ours, ...environment } = process.env;
      child = spawn(process.execPath, [...FLAGS, main, place], {
        env: environment,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      createInterface({ input: child.stdout! }).on('line', (text) => {
        const line = JSON.parse(text) as AgentLine;
        if (line.event !== undefined) events.push(line.event);
        if (line.status !== undefined) status = line.status;
      });
      createInterface({ input: child.stderr! }).on('line', (text) => noise.push(text));
    },
    async kill(signal) {
      if (isOver()) return;
      const ended = once(child!, 'close');
      child!.kill(signal);
      await ended;
      sentBefore += status?.sentBytes ?? 0;
      status = undefined;
    },
    async until(what, holds, milliseconds = 1_200_000) {
      for (const deadline = Date.now() + milliseconds; status === undefined || !holds(status); await sleep(10)) {
        const why = Date.now() > deadline ? 'waited in vain' : isOver() ? 'the agent ended' : undefined;
        if (why !== undefined)
          throw new Error(`${what}: ${why}: ${JSON.stringify({ status, events: events.slice(-8), noise: noise.slice(-20) })}`);
      }
    },
    async settled() {
      await agent.until('it replicates', ({ phase, points }) => phase === DiskPhase.REPLICATING && points > 0);
      await agent.until('all is durable', ({ pendingCuts }) => pendingCuts === 0);
    },
  };
  return agent;
};
