import { shortId } from '../choose/choose-resource.ts';
import type { Answer } from '../output/answer.ts';
import { formatSeconds } from '../output/format.ts';
import type { Cell } from '../output/table.ts';
import { readMachines, readPolicies, readProtections, readServers } from '../site/resources.ts';
import type { Site } from '../site/site.ts';
import { stateCell } from '../site/words.ts';
import { describeMachine, type MachineDescription, type Neighbourhood } from './describe-machine.ts';

/** All that machines refer to. */
export const readNeighbourhood = async (site: Site): Promise<Neighbourhood> => {
  const [protections, policies, servers] = await Promise.all([readProtections(site), readPolicies(site), readServers(site)]);
  return { protections, policies, servers };
};

/** The machines there are, at most `limit`. */
export const readDescriptions = async (site: Site, limit?: number): Promise<MachineDescription[]> => {
  const [machines, around] = await Promise.all([readMachines(site, limit), readNeighbourhood(site)]);
  return machines.map((machine) => describeMachine(machine, around));
};

/** Since when something was seen, for people. */
export const seen = ({ connected, lastSeen }: Pick<MachineDescription, 'connected' | 'lastSeen'>, now: number): string => {
  if (connected) return 'connected';
  return lastSeen === null ? 'never seen' : `away ${formatSeconds(Math.max(0, (now - Date.parse(lastSeen)) / 1000))}`;
};

export const seenCell = (one: Pick<MachineDescription, 'connected' | 'lastSeen'>, now: number) =>
  ({ text: seen(one, now), tone: one.connected ? 'good' : 'bad' }) as const;

/** How long ago a point of it was proven last, and whether the newest proof failed. */
const provenCell = ({ lastProven, lastProof }: MachineDescription, now: number): Cell => {
  if (lastProof?.passed === false) return { text: 'failed', tone: 'bad' };
  return lastProven === null ? '' : `${formatSeconds(Math.max(0, (now - Date.parse(lastProven.proven)) / 1000))} ago`;
};

export const machinesAnswer = (machines: readonly MachineDescription[], now: number): Answer => ({
  data: machines,
  people:
    machines.length === 0
      ? [{ line: 'No machine has joined yet. `holdfast token create --role agent` prints the lines that make one join.' }]
      : [
          {
            columns: [
              { heading: 'MACHINE', shrink: true },
              { heading: 'ID', optional: true },
              { heading: 'HEALTH' },
              { heading: 'AGENT' },
              { heading: 'STATE' },
              { heading: 'RPO', right: true },
              { heading: 'MADE', right: true, optional: true },
              { heading: 'DISKS', right: true, optional: true },
              { heading: 'PROVEN', optional: true },
              { heading: 'VAULT', shrink: true, optional: true },
              { heading: 'POLICY', shrink: true, optional: true },
            ],
            rows: machines.map((machine) => {
              const { id, name, protection, rpoSeconds, points, disks } = machine;
              return [
                name,
                shortId(id, machines),
                stateCell(machine.health),
                seenCell(machine, now),
                stateCell(protection?.state ?? 'unprotected'),
                rpoSeconds === null ? '' : formatSeconds(rpoSeconds),
                points === 0 ? '' : String(points),
                String(disks.length),
                provenCell(machine, now),
                protection?.vault ?? '',
                protection?.policy.name ?? '',
              ];
            }),
          },
        ],
});
