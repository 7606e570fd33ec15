import { configurationServerProgram } from '@holdfast/configuration-server';
import type { Program } from '@holdfast/daemon';
import { program as agentProgram } from '@holdfast/mobility-agent';
import { processServerProgram } from '@holdfast/process-server';

/** The long-running programs, in the order in which docs tell of them. */
export const PROGRAMS = [configurationServerProgram, processServerProgram, agentProgram] as unknown as readonly Program[];
