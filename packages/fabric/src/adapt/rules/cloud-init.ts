import type { Rule } from '../guest.ts';

/** cloud-init takes a copy of a machine for a new one. */
export const cloudInitRule: Rule = async ({ tree }) => {
  if ((await tree.kind('/etc/cloud/cloud.cfg')) !== 'file' || (await tree.kind('/etc/cloud/cloud-init.disabled')) !== undefined) return [];
  await tree.write('/etc/cloud/cloud-init.disabled', Buffer.from('by Holdfast: this machine was recovered from a point\n'));
  return [
    {
      area: 'cloud-init',
      kind: 'change',
      finding: 'cloud-init is at work at every start',
      change: 'it is switched off (/etc/cloud/cloud-init.disabled)',
      why: 'without the cloud it was made for it waits for minutes, then gives the machine new host keys, another name and another network',
    },
  ];
};
