import { newId } from '@holdfast/protocol';
import type { Assignment } from './control/assignments.ts';
import { createMachines, type MachinesOptions } from './machines.ts';

const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent } as never;

const forgotten: string[] = [];

describe('the machines of a process server', () => {
  const machineId = newId();
  const assigned = (part: Partial<Assignment>): { revision: number; machines: Map<string, Assignment>; revoked: Set<string> } => ({
    revision: 1,
    machines: new Map([
      [
        machineId,
        { machineId, machineName: 'web1', vault: 'office', seenTerm: 0, retention: '', sealInterval: 0, rpoThreshold: 0, ...part },
      ],
    ]),
    revoked: new Set(),
  });
  const create = () =>
    createMachines({
      version: '1',
      journal: { recovered: new Map(), usage: { capacity: 1 } },
      vaults: {
        has: () => true,
        maySame: (one: string, other: string) => one === other,
        open: () => Promise.reject(new Error('no vault here')),
      },
      digests: { directory: '/nowhere', key: new Uint8Array(32) },
      anchors: { of: () => undefined, forget: (id: string) => forgotten.push(id) },
      events: { add() {} },
      whereabouts: { follow: () => () => undefined },
      log: silent,
    } as unknown as MachinesOptions);

  it('go on under another name with all that is under way; in another vault they begin anew', async () => {
    const machines = create();
    await machines.assign(assigned({}));
    const [before] = [...machines.all];
    await machines.assign(assigned({ machineName: 'web2' }));
    const [renamed] = [...machines.all];
    expect(renamed!.receiver).toBe(before!.receiver);
    expect(renamed!.uploader).toBe(before!.uploader);
    expect(renamed!.assignment.machineName).toBe('web2');
    await machines.assign(assigned({ machineName: 'web2', vault: 'other' }));
    const [moved] = [...machines.all];
    expect(moved!.receiver).not.toBe(before!.receiver);
    expect(forgotten).toEqual([machineId]);
    await machines.close();
  });
});
