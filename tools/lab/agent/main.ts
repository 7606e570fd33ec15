import { fromSystem } from '@holdfast/errors';
import type { AgentMessage, AgentOrder, AgentSettings } from './messages.ts';
import { openAgent } from './open-agent.ts';

/** The agent's process. Ends when told to or when the supervisor is gone; may be killed at any instruction. */

/** Resolves when the message is on its way. */
const tell = (message: AgentMessage): Promise<void> =>
  new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    else process.send(message, undefined, undefined, () => resolve());
  });

const run = async (settings: AgentSettings): Promise<void> => {
  const stopping = new AbortController();
  const agent = await openAgent(settings, (message) => void tell(message), stopping.signal);
  process.on('message', ({ type }: AgentOrder) => {
    if (type === 'point') agent.pipeline.pointNow();
    else stopping.abort();
  });
  await agent.pipeline.done;
  await agent.close();
};

process.on('disconnect', () => process.exit());
try {
  await run(JSON.parse(process.argv[2] ?? '{}') as AgentSettings);
} catch (reason) {
  const { code, thing, why, remedy } = fromSystem(reason, 'agent', 'INTERNAL');
  await tell({ type: 'failed', error: { code, thing, why, remedy } });
  if (code === 'INTERNAL') console.error(reason);
  process.exitCode = 1;
}
process.exit();
