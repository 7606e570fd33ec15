import { type Command, defineCommand, formatBytes, oneOf } from '@holdfast/daemon';
import { discoverDisks } from '../disks/discover.ts';
import { openDiskRegistry, type RegisteredDisk } from '../disks/disk-registry.ts';
import { localSystem } from '../manifest/system-view.ts';
import { identifyDevice } from '../trace/device.ts';
import { disksFile } from './places.ts';
import type { AgentSchema } from './settings.ts';

const OPTIONS = { output: oneOf(['text', 'json'], { default: 'text', help: 'Form of the output' }) };

/** Why the writes of a disk cannot be followed; undefined when they can. */
const obstacle = ({ kind, path: device }: RegisteredDisk): string | undefined => {
  if (kind === 'image') return undefined;
  try {
    identifyDevice(device);
    return undefined;
  } catch (reason) {
    return (reason as Error).message;
  }
};

/** `holdfast-agent disks`. Ids are those the agent gave when it ran; none are given here. */
export const disksCommand: Command<AgentSchema> = defineCommand<AgentSchema, typeof OPTIONS>({
  summary: 'Shows the disks of this machine that can be protected, and what is in the way of the others.',
  options: OPTIONS,
  async run({ settings, options, print }) {
    const registry = await openDiskRegistry(disksFile(settings.state.directory));
    const disks = registry.find(discoverDisks(localSystem, settings.disks.include)).map((disk) => ({ ...disk, problem: obstacle(disk) }));
    if (options.output === 'json') {
      print(JSON.stringify(disks.map(({ id, path, kind, size, problem }) => ({ id, path, kind, size, problem }))));
      return 0;
    }
    for (const { id, path, kind, size, problem } of disks)
      print(`${path}  ${formatBytes(size)}  ${kind}  ${id === '' ? 'no id yet' : id}  ${problem ?? 'can be protected'}`);
    if (disks.length === 0) print('There are none; name them in the setting disks.include');
    return 0;
  },
});
