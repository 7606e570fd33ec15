import { PassThrough } from 'node:stream';
import { HoldfastError } from '@holdfast/errors';
import type { Fabric, MachineRequest, MachineStatus, PauseReason } from '../fabric.ts';

/** A fabric that runs nothing, and keeps a list of what it was asked for. */
export interface ScriptedFabric extends Fabric {
  readonly calls: string[];
  readonly made: Map<
    string,
    { request: MachineRequest; state: 'off' | 'running' | 'paused'; pause?: PauseReason; killed?: boolean; hydrated: boolean }
  >;
  /** The next call of this name fails. */
  failNext(call: string): void;
}

export const createScriptedFabric = (): ScriptedFabric => {
  const calls: string[] = [];
  const made: ScriptedFabric['made'] = new Map();
  const failing = new Set<string>();
  const note = (call: string): void => {
    calls.push(call);
    if (failing.delete(call)) throw new HoldfastError('FABRIC_FAILED', { thing: call, why: 'told to', remedy: 'go on' });
  };
  const of = (id: string) => {
    const machine = made.get(id);
    if (machine === undefined) throw new HoldfastError('RESOURCE_NOT_FOUND', { thing: id, why: 'none', remedy: 'make it' });
    return machine;
  };
  const statusOf = (id: string): MachineStatus => {
    const { request, state, pause, killed, hydrated } = of(id);
    const disks = request.shape.disks.map((disk) => ({ id: disk.id, size: disk.size, hydrated, stored: 0 }));
    return { operationId: id, name: request.name, state, ...(pause !== undefined && { pause }), ...(killed && { killed }), disks };
  };
  return {
    kind: 'scripted',
    calls,
    made,
    failNext: (call) => void failing.add(call),
    check: async () => [],
    create: async (request) => {
      note('create');
      if (!made.has(request.operationId)) made.set(request.operationId, { request, state: 'off', hydrated: false });
    },
    start: async (id) => {
      note('start');
      Object.assign(of(id), { state: 'running' });
    },
    stop: async (id) => {
      note('stop');
      Object.assign(of(id), { state: 'off' });
      return 'orderly';
    },
    resume: async (id) => {
      note('resume');
      Object.assign(of(id), { state: 'running', pause: undefined });
    },
    status: async (id) => (made.has(id) ? statusOf(id) : undefined),
    console: async () => ({ log: '/dev/null', open: async () => new PassThrough() }),
    screenshot: async () => {},
    hydrate: async (id) => {
      note('hydrate');
      of(id).hydrated = true;
    },
    list: async () => [...made.keys()].map(statusOf),
    remove: async (id) => {
      note('remove');
      made.delete(id);
    },
  };
};
