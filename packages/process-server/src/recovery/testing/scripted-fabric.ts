import { HoldfastError } from '@holdfast/errors';
import type { Fabric, MachineStatus, RecoveredMachine, RecoverMachineOptions, RecoveryStep } from '@holdfast/fabric';
import type { Recoverer } from '../recovery-worker.ts';

/** Machines that are only written down, and outlive whoever started them as real ones do. */
export interface ScriptedFabric {
  readonly fabric: Fabric;
  readonly recoverer: Recoverer;
  running(): readonly { readonly run: string; readonly point: string; readonly name: string }[];
  /** The machine of that run goes off, as with its host. */
  switchOff(run: string): void;
  /** From now on a machine that is switched on again needs until `letGo`; resolves when one is at it. */
  slowStarts(): { readonly begun: Promise<void>; letGo(): void };
  /** The host has none unless told. */
  addBridge(name: string): void;
  removeBridge(name: string): void;
  /** From now on every start fails like that; with undefined none does. */
  fail(error: HoldfastError | undefined): void;
  /** From now on a start hangs at that step until it is given up; resolves when one does. */
  stopAt(step: RecoveryStep | undefined): Promise<void>;
}

const statusOf = ({ run, name, isOn, hydrated }: Made): MachineStatus => ({
  operationId: run,
  name,
  state: isOn ? 'running' : 'off',
  disks: [{ id: 'a', size: 100, stored: 1, hydrated, hydrating: 50 }],
});

interface Made {
  readonly run: string;
  readonly point: string;
  readonly name: string;
  readonly machineId: string;
  isOn: boolean;
  hydrated: boolean;
  wasStarted: boolean;
}

const STEPS: readonly RecoveryStep[] = ['holding', 'opening', 'adapting', 'creating', 'starting', 'ready'];

export const createScriptedFabric = (): ScriptedFabric => {
  const made = new Map<string, Made>();
  const bridges = new Set<string>();
  let failure: HoldfastError | undefined;
  let slow: Record<'begun' | 'over', PromiseWithResolvers<void>> | undefined;
  let stop: { readonly at: RecoveryStep; readonly reached: () => void } | undefined;

  const recover = async (options: RecoverMachineOptions): Promise<RecoveredMachine> => {
    const { operationId: run, pointId: point, machineId, name = '', signal, onProgress } = options;
    if (failure !== undefined) throw failure;
    for (const step of STEPS) {
      onProgress?.(step);
      if (step === 'creating' && !made.has(run))
        made.set(run, { run, point, machineId, name, isOn: false, hydrated: false, wasStarted: false });
      // Once: one that its own system switched off stays off.
      if (step === 'starting' && !made.get(run)!.wasStarted) Object.assign(made.get(run)!, { isOn: true, wasStarted: true });
      if (stop?.at !== step) continue;
      stop.reached();
      await new Promise((_, reject) => signal!.addEventListener('abort', () => reject(signal!.reason as Error), { once: true }));
    }
    const machine = made.get(run)!;
    if (machine.point !== point) throw new HoldfastError('SETTING_INVALID', { thing: run, why: 'another point', remedy: 'another run' });
    return {
      operationId: run,
      status: async () => ({
        operationId: run,
        machineId,
        pointId: point,
        held: true,
        adaptation: [],
        machine: statusOf(machine),
      }),
      console: async () => ({ log: `/console/${run}`, open: () => Promise.reject(new Error('not scripted')) }),
      async hydrate() {
        machine.hydrated = true;
      },
      async start() {
        if (failure !== undefined) throw failure;
        slow?.begun.resolve();
        await slow?.over.promise;
        // A program that was started runs, whatever became of its files meanwhile.
        machine.isOn = true;
        made.set(run, machine);
      },
      async stop() {
        machine.isOn = false;
        return 'orderly';
      },
      async discard() {
        made.delete(run);
      },
      async close() {},
    };
  };

  return {
    fabric: {
      kind: 'qemu',
      status: async (run) => {
        const machine = made.get(run);
        return machine && statusOf(machine);
      },
      check: async (wanted) =>
        (wanted?.networks ?? []).flatMap(({ attachment }) =>
          attachment.kind === 'bridge' && !bridges.has(attachment.bridge)
            ? [{ name: 'bridge', level: 'error', message: `the host has no bridge ${attachment.bridge}`, remedy: 'make it' }]
            : [],
        ),
    } as Partial<Fabric> as Fabric,
    switchOff(run) {
      made.get(run)!.isOn = false;
    },
    slowStarts() {
      const own = { begun: Promise.withResolvers<void>(), over: Promise.withResolvers<void>() };
      slow = own;
      return { begun: own.begun.promise, letGo: own.over.resolve };
    },
    addBridge: (name) => void bridges.add(name),
    removeBridge: (name) => void bridges.delete(name),
    recoverer: {
      recoverMachine: recover,
      async discardRecovery({ operationId }) {
        made.delete(operationId);
      },
    },
    running: () => [...made.values()].filter(({ isOn }) => isOn).map(({ run, point, name }) => ({ run, point, name })),
    fail(error) {
      failure = error;
    },
    stopAt(at) {
      const reached = Promise.withResolvers<void>();
      stop = at === undefined ? undefined : { at, reached: reached.resolve };
      return reached.promise;
    },
  };
};
