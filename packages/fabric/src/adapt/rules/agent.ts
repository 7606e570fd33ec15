import { formatRecoveryMarker, idText, RECOVERY_MARKER } from '@holdfast/protocol';
import type { PlanItem, Rule } from '../guest.ts';
import { readText } from '../tree/guest-tree.ts';

const HOME = '/var/lib/holdfast';

/** Programs of Holdfast inside the machine learn that they are not the ones they seem to be: they stay silent until they are enrolled anew. */
export const agentRule: Rule = async ({ tree, manifest, target }) => {
  const directories = new Set((await tree.list(HOME)).map((name) => `${HOME}/${name}`));
  for (const name of await tree.list('/etc/holdfast')) {
    if (!name.endsWith('.yaml')) continue;
    const text = (await readText(tree, `/etc/holdfast/${name}`)) ?? '';
    const told = /^state:[ \t]*\n(?:[ \t]+.*\n)*?[ \t]+directory:[ \t]*["']?(\/[^"'#\n]*[^"'#\s])/m.exec(text)?.[1];
    if (told !== undefined) directories.add(told);
  }
  const items: PlanItem[] = [];
  for (const directory of directories) {
    if ((await tree.kind(`${directory}/identity/identity.json`)) !== 'file') continue;
    const marker = {
      machineId: manifest === undefined ? '' : idText(manifest.machineId),
      machineName: manifest?.machineName ?? '',
      pointTime: target.pointTime,
      recovered: new Date(target.now).toISOString(),
    };
    await tree.write(`${directory}/${RECOVERY_MARKER}`, Buffer.from(formatRecoveryMarker(marker)), 0o600);
    items.push({
      area: 'agent',
      kind: 'change',
      finding: `${directory} holds the identity of the source`,
      change: 'a marker: its program sends nothing until it is enrolled with a token of its own',
      why: 'two machines under one identity would mix their data',
    });
  }
  return items;
};
