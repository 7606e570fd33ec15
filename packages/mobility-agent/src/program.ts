import { awaitMembership, joinCommand, type Program, type ProgramContext, readIdentity, useServerCommand, VERSION } from '@holdfast/daemon';
import { discoverDisks } from './disks/discover.ts';
import { openDiskRegistry } from './disks/disk-registry.ts';
import { localSystem } from './manifest/system-view.ts';
import type { ProcessorShare } from './platform/processor-share.ts';
import { disksCommand } from './program/disks-command.ts';
import { inspectCommand } from './program/inspect-command.ts';
import { disksFile } from './program/places.ts';
import { serveMember } from './program/serve-member.ts';
import { type AgentSchema, agentSettings } from './program/settings.ts';
import { createRecovererTeller } from './program/tell-recoverer.ts';

export interface ProgramOptions {
  /** False makes wrong points: for showing that oracles notice them. No setting of the program's. */
  readonly checkConflicts?: boolean;
  /** False lets the agent follow its own writes, for the same purpose. */
  readonly excludeOwnFiles?: boolean;
  /** What this process leaves to the machine's programs, but for the time it holds them still. */
  readonly processors?: ProcessorShare;
}

const work = async (
  context: ProgramContext<AgentSchema>,
  { checkConflicts = true, excludeOwnFiles = true, processors }: ProgramOptions,
): Promise<void> => {
  const { settings, stateDirectory, run } = context;
  const registry = await openDiskRegistry(disksFile(stateDirectory));
  const findDisks = () => registry.identify(discoverDisks(localSystem, settings.disks.include));
  run('agent', async (stopping) => {
    const tellRecoverer = createRecovererTeller(async () => (await readIdentity(stateDirectory)).id);
    const membership = await awaitMembership(context, 'agent', stopping, tellRecoverer);
    if (membership !== undefined)
      await serveMember(context, { membership, registry, findDisks, checkConflicts, excludeOwnFiles, processors });
  });
};

/** `holdfast-agent`: protects the machine it runs on. */
export const createProgram = (options: ProgramOptions = {}): Program<AgentSchema> => ({
  name: 'holdfast-agent',
  summary: 'Follows the writes of this machine and sends its recovery points to a process server.',
  version: VERSION,
  httpPort: 9464,
  settings: agentSettings,
  commands: { join: joinCommand({ role: 'agent' }), 'use-server': useServerCommand(), 'hrl inspect': inspectCommand, disks: disksCommand },
  main: (context) => work(context, options),
});

export const program = createProgram();
