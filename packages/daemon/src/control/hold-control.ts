import type { AgentControl, AgentControlOptions, ServerControl, ServerControlOptions } from './control.ts';

/** An agent's stream to the configuration server. */
export const holdAgentControl = (_options: AgentControlOptions): AgentControl => {
  throw new Error('not here yet');
};

/** A process server's stream to the configuration server. */
export const holdServerControl = (_options: ServerControlOptions): ServerControl => {
  throw new Error('not here yet');
};
