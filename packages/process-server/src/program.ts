import { awaitMembership, joinCommand, type Program, useServerCommand, VERSION } from '@holdfast/daemon';
import { endpointsOf } from './endpoints.ts';
import { serveMember } from './serve.ts';
import { type ProcessServerSchema, settings } from './settings.ts';

/** `holdfast-process-server`. */
export const program: Program<ProcessServerSchema> = {
  name: 'holdfast-process-server',
  summary: 'Receives the changes of machines from their agents, journals them, and makes them durable in vaults.',
  version: VERSION,
  httpPort: 9465,
  settings,
  commands: {
    join: joinCommand<ProcessServerSchema>({
      role: 'process-server',
      endpoints: ({ replication }) => endpointsOf(replication, replication.listen.port),
    }),
    'use-server': useServerCommand(),
  },
  async main(context) {
    // Ready before it is a member: health says that it is not, and how to join.
    context.run('work', async (stopping) => {
      const membership = await awaitMembership(context, 'process-server', stopping);
      if (membership !== undefined) await serveMember(context, membership);
    });
  },
};
