import { readFileSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServerSite } from '@holdfast/process-server/conformance';
import { newId } from '@holdfast/protocol';
import { compilePrograms, WORKSPACE } from '../../bundle/compile-programs.ts';
import { flagsAsInstalled } from '../../site/from-source.ts';
import { cpuSecondsOf } from '../cpu.ts';
import { startFleet } from './fleet.ts';
import type { FleetFigures } from './fleet-messages.ts';

export interface FanInOptions {
  /** Does not exist yet. */
  readonly directory: string;
  readonly agents: number;
  readonly diskBlocks: number;
  readonly changedBlocks: number;
  readonly intervalMs: number;
  readonly rampMs: number;
  /** From the moment all have a point and have been at work for a while. */
  readonly settleMs: number;
  readonly measureMs: number;
  note(line: string): void;
}

/** What one process server did with so many agents. */
export interface FanIn extends FleetFigures {
  /** Of one processor. */
  readonly cpuShare: number;
  /** Since it started, 10^6 bytes. */
  readonly residentMB: number;
  readonly putsPerSecond: number;
}

/** Milliseconds all agents have to come to their first point. */
const PATIENCE = 300_000;

const peakResident = (pid: number): number => {
  const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
  return (Number(kibibytes) * 1024) / 1e6;
};

/** Names of all objects: what is new among them was put. */
const objects = async (directory: string): Promise<ReadonlySet<string>> =>
  new Set(
    (await readdir(directory, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => path.join(parentPath, name)),
  );

/** One process server with its own settings but for places, and so many agents. */
export const measureFanIn = async (options: FanInOptions): Promise<FanIn> => {
  const { directory, agents, diskBlocks, changedBlocks, intervalMs, rampMs, settleMs, measureMs, note } = options;
  await mkdir(directory);
  // As it is installed: what node needs to read sources would count as memory of the server.
  const programs = path.join(directory, 'programs');
  await compilePrograms(programs, WORKSPACE, ['packages/process-server/src/main.ts', 'packages/vault/src/frame-thread.ts']);
  const site = await createServerSite({
    directory,
    main: path.join(programs, 'main.mjs'),
    environment: { NODE_OPTIONS: flagsAsInstalled('holdfast-process-server').join(' ') },
  });
  try {
    const machineIds = Array.from({ length: agents }, newId);
    const machines = await Promise.all(
      machineIds.map(async (machineId) => {
        const { key, certificateChain, authorities } = await site.certificate(machineId);
        return { machineId, credentials: { key, certificateChain, authorities } };
      }),
    );
    site.assign(machineIds);
    await site.start();
    while (site.lines.filter(({ message }) => message === 'A machine is assigned').length < agents) await sleep(100);
    note(`${agents} agents: the server knows them after ${(performance.now() / 1000).toFixed(0)} s`);
    const fleet = startFleet({
      address: `127.0.0.1:${site.port}`,
      serverId: site.serverId,
      machines,
      diskBlocks,
      changedBlocks,
      intervalMs,
      rampMs,
    });
    try {
      const from = performance.now();
      for (;;) {
        const { replicating, errors, errorCount } = await fleet.figures();
        if (replicating === agents) break;
        note(`${agents} agents: ${replicating} have a point${errorCount > 0 ? `; ${errorCount} errors: ${errors.join(' | ')}` : ''}`);
        if (performance.now() - from > PATIENCE) throw new Error(`only ${replicating} of ${agents} machines have a point`);
        await sleep(2000);
      }
      note(`${agents} agents: all have a point after ${((performance.now() - from) / 1000).toFixed(0)} s`);
      await sleep(settleMs);
      const vault = path.join(directory, 'vault');
      const before = await objects(vault);
      await fleet.figures();
      const cpu = cpuSecondsOf(site.pid);
      const began = performance.now();
      await sleep(measureMs);
      const seconds = (performance.now() - began) / 1000;
      const cpuShare = (cpuSecondsOf(site.pid) - cpu) / seconds;
      const figures = await fleet.figures();
      const after = await objects(vault);
      const puts = [...after].filter((name) => !before.has(name)).length;
      return { ...figures, cpuShare, residentMB: peakResident(site.pid), putsPerSecond: puts / seconds };
    } finally {
      await fleet.stop();
    }
  } finally {
    await site.close();
  }
};
