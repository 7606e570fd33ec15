import path from 'node:path';
import type { Log } from '@holdfast/daemon';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import type { ReplicationCall } from '@holdfast/protocol';
import type { Assignment, Assignments } from './control/assignments.ts';
import type { Whereabouts } from './control/whereabouts.ts';
import { createMachineDigests, type MachineDigests } from './digests/machine-digests.ts';
import type { Journal } from './journal/journal.ts';
import { fillJournal } from './receive/beginnings.ts';
import { createReceiver, type Pace } from './receive/create-receiver.ts';
import type { CreditPool } from './receive/credit-pool.ts';
import type { CutTurns } from './receive/cut-turns.ts';
import type { MachineReceiver } from './receive/machine-receiver.ts';
import { receiptGap } from './receive/receipts.ts';
import { withWhereabouts } from './receive/with-whereabouts.ts';
import { createUploader, type UploaderOptions } from './upload/create-uploader.ts';
import { interrupted } from './upload/interrupted.ts';
import type { Uploader } from './upload/uploader.ts';
import type { Vaults } from './upload/vaults.ts';

/** A machine assigned to this server. */
export interface Machine {
  /** As it is now: a machine may be renamed while it is here. */
  readonly assignment: Assignment;
  readonly uploader: Uploader;
  readonly receiver: MachineReceiver;
  readonly digests: MachineDigests;
}

/** The machines this server takes the data of. */
export interface Machines {
  readonly all: Iterable<Machine>;
  /** Begins with machines that are new, lets go of those that are not assigned any more; what is in the journal of those is forgotten. */
  assign(assignments: Assignments): Promise<void>;
  /** Serves a stream. Rejects with MACHINE_NOT_ASSIGNED, JOURNAL_FULL, or whatever ends the stream. */
  serve(call: ReplicationCall): Promise<void>;
  /** Ends all streams. */
  disconnect(error: HoldfastError): void;
  /**
   * After that, again and again while there is no room: where next to nothing is on its way into a vault, beginnings of cuts fill the journal, each waiting
   * for room that only the others have. They are given up, and cuts come one at a time until there is room; their agents send them again. Tells the machines.
   */
  makeRoom(): Promise<readonly string[]>;
  close(): Promise<void>;
}

export interface MachinesOptions
  extends Pick<
    UploaderOptions,
    'anchors' | 'events' | 'log' | 'sealInterval' | 'idleInterval' | 'segmentSize' | 'inFlight' | 'longestPause'
  > {
  readonly version: string;
  readonly journal: Journal;
  readonly pool: CreditPool;
  readonly turns: CutTurns;
  readonly vaults: Vaults;
  readonly log: Log;
  /** Where digests of disks are kept, and what they are encrypted with. */
  readonly digests: { readonly directory: string; readonly key: Uint8Array };
  /** Why no stream is taken now. */
  refusal(): HoldfastError | undefined;
  pace(): Pace | undefined;
  /** Where the configuration server is, for agents. */
  readonly whereabouts: Pick<Whereabouts, 'follow'>;
  onReceived(bytes: number): void;
  /** A cut of so many bytes of the journal became durable. */
  onDurable(bytes: number): void;
}

interface Begun extends Machine {
  rename(assignment: Assignment): void;
}

const notAssigned = (machineId: string): HoldfastError =>
  new HoldfastError('MACHINE_NOT_ASSIGNED', {
    thing: `machine ${machineId}`,
    why: 'it is not assigned to this process server',
    remedy: 'wait until agent and server were told of the assignment, or connect to the server it is assigned to',
  });

export const createMachines = (options: MachinesOptions): Machines => {
  const { journal, vaults, log, version, pool, turns } = options;
  const machines = new Map<string, Begun>();
  /** What is wanted for each, milliseconds; 0: as the settings say. */
  const sealIntervals = new Map<string, number>();
  /** What the journal held at the start and nobody has taken yet. */
  const recovered = new Map(journal.recovered);

  const begin = (given: Assignment): Begun => {
    const { machineId, seenTerm } = given;
    let assignment = given;
    const left = recovered.get(machineId);
    recovered.delete(machineId);
    const uploader = createUploader({
      ...options,
      onDurable(cut, bytes) {
        options.onDurable(bytes);
        return digests.follow(cut);
      },
      // Asked at each cut: it may change while the machine is here.
      get sealInterval() {
        return sealIntervals.get(machineId) || options.sealInterval;
      },
      machineId,
      get machineName() {
        return assignment.machineName;
      },
      seenTerm,
      recovered: left?.cuts ?? [],
      vault: () => vaults.open(assignment.vault),
    });
    const digests: MachineDigests = createMachineDigests({
      machineId,
      directory: path.join(options.digests.directory, machineId),
      key: options.digests.key,
      vault: () => vaults.open(assignment.vault),
      isPending: uploader.isPending.bind(uploader),
      hurry: () => uploader.hurry(),
      onDamage(reason) {
        const { code, thing, why } = fromSystem(reason, `the vault of machine ${assignment.machineName}`);
        log.error('The vault is damaged where it was read for digests', { machine: machineId, error: reason });
        options.events.add(code, `machine ${assignment.machineName}: ${thing}: ${why}`);
      },
      log,
    });
    const receiver = createReceiver({
      digests,
      machineId,
      version,
      uploader,
      pool,
      partial: left?.partial,
      begin: (message) => journal.begin(machineId, message),
      commit: (cut) => journal.commit(machineId, cut),
      turns,
      receiptGap: () => receiptGap(assignment.rpoThreshold),
      capacity: () => journal.usage.capacity,
      pace: options.pace,
      onReceived: options.onReceived,
    });
    return {
      get assignment() {
        return assignment;
      },
      rename: (next) => {
        assignment = next;
      },
      uploader,
      receiver,
      digests,
    };
  };

  const forget = (machineId: string): void => {
    const left = recovered.get(machineId);
    recovered.delete(machineId);
    for (const cut of left?.cuts ?? []) cut.release();
    left?.partial?.drop();
  };

  const end = async ({ assignment, uploader, receiver, digests }: Machine): Promise<void> => {
    log.info('A machine is not assigned here any more', { machine: assignment.machineId });
    await receiver.close(notAssigned(assignment.machineId));
    await uploader.close();
    uploader.forget();
    options.anchors.forget(assignment.machineId);
    await digests.forget();
  };

  return {
    all: { [Symbol.iterator]: () => machines.values() },
    async assign({ machines: wanted }) {
      sealIntervals.clear();
      for (const [machineId, { sealInterval }] of wanted) sealIntervals.set(machineId, sealInterval);
      for (const [machineId, machine] of machines) {
        const assignment = wanted.get(machineId);
        // The same vault may be called otherwise: by an earlier configuration server, or from now on by its id.
        if (assignment !== undefined && vaults.maySame(machine.assignment.vault, assignment.vault)) {
          machine.rename(assignment);
          continue;
        }
        machines.delete(machineId);
        await end(machine);
      }
      for (const machineId of [...recovered.keys()]) if (!wanted.has(machineId)) forget(machineId);
      for (const [machineId, assignment] of wanted) {
        if (machines.has(machineId)) continue;
        if (!vaults.has(assignment.vault))
          log.warn('A machine is assigned to a vault that this server does not have', { machine: machineId, vault: assignment.vault });
        machines.set(machineId, begin(assignment));
        log.info('A machine is assigned', { machine: machineId, name: assignment.machineName, vault: assignment.vault });
      }
    },
    async serve(call) {
      const machine = machines.get(call.peer.identity.id);
      if (machine === undefined) throw notAssigned(call.peer.identity.id);
      const refusal = options.refusal();
      if (refusal !== undefined) throw refusal;
      await machine.receiver.serve(withWhereabouts(call, options.whereabouts.follow));
    },
    disconnect(error) {
      for (const { receiver } of machines.values()) receiver.disconnect(error);
    },
    async makeRoom() {
      const all = [...machines.values()];
      await Promise.all(all.map(({ receiver }) => receiver.settled()));
      const inJournal = all.map(({ uploader, receiver }) => {
        const { pendingBytes, fence } = uploader.state;
        return { pendingBytes, isFenced: fence !== undefined, begunBytes: receiver.partialBytes };
      });
      if (!fillJournal(inJournal)) return [];
      const begun = all.filter(({ receiver }) => receiver.partialBytes > 0);
      turns.narrow();
      for (const { receiver } of begun) receiver.dropPartial();
      return begun.map(({ assignment }) => assignment.machineName);
    },
    async close() {
      for (const { receiver } of machines.values()) await receiver.close(interrupted('the replication stream', 'the process server stops'));
      for (const { uploader, digests } of machines.values()) {
        await uploader.close();
        await digests.close();
      }
    },
  };
};
