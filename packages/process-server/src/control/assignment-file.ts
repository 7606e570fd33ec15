import { open, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import type { Log } from '@holdfast/daemon';
import { type ConnectServerResponse, idText, isId } from '@holdfast/protocol';
import type { Assignment, Assignments } from './assignments.ts';

/** Keeps what the configuration server wants, for starts while it is away. */
export interface AssignmentFile {
  /** Undefined when nothing is kept. */
  load(): Promise<Assignments | undefined>;
  save(assignments: Assignments): Promise<void>;
}

const serialOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes)
    .toString('hex')
    .replace(/^0+(?=.)/, '');

/** What files of earlier versions do not say. */
const NOT_TOLD = { retention: '', sealInterval: 0, rpoThreshold: 0 };

/** Milliseconds; points wait as long. */
const LONGEST_SEAL = 300_000;

/** What a message of the configuration server says. Machines whose ids are none are left out. */
export const assignmentsOf = ({ revision, assignments, revokedSerials }: ConnectServerResponse): Assignments => {
  const machines = assignments.map(
    ({ machineId, machineName, vault, seenTerm, retention, sealIntervalMilliseconds, rpoThresholdSeconds }) => ({
      machineId: idText(machineId),
      machineName,
      vault,
      seenTerm: Number(seenTerm),
      retention,
      sealInterval: Math.min(sealIntervalMilliseconds, LONGEST_SEAL),
      rpoThreshold: 1000 * rpoThresholdSeconds,
    }),
  );
  return {
    revision: Number(revision),
    machines: new Map(machines.filter(({ machineId }) => isId(machineId)).map((machine) => [machine.machineId, machine])),
    revoked: new Set(revokedSerials.map(serialOf)),
  };
};

const isAssignment = (value: unknown): value is Assignment => {
  const {
    machineId,
    machineName,
    vault,
    seenTerm,
    retention = '',
    sealInterval = 0,
    rpoThreshold = 0,
  } = (value ?? {}) as Partial<Record<keyof Assignment, unknown>>;
  const texts = [machineId, machineName, vault, retention].every((text) => typeof text === 'string');
  return texts && isId(machineId as string) && [seenTerm, sealInterval, rpoThreshold].every(Number.isSafeInteger);
};

const parse = (text: string): Assignments => {
  const { form, revision, machines, revoked, reconciling } = JSON.parse(text) as Record<string, unknown>;
  if (form !== 1 || !Number.isSafeInteger(revision) || !Array.isArray(machines) || !Array.isArray(revoked))
    throw new Error('it does not hold assignments');
  return {
    revision: revision as number,
    // Files of earlier versions know none of these.
    machines: new Map(machines.filter(isAssignment).map((machine) => [machine.machineId, { ...NOT_TOLD, ...machine }])),
    revoked: new Set(revoked.filter((serial) => typeof serial === 'string')),
    ...(reconciling === true ? { reconciling } : {}),
  };
};

export const openAssignmentFile = (stateDirectory: string, log: Log): AssignmentFile => {
  const file = path.join(stateDirectory, 'assignments.json');
  return {
    async load() {
      try {
        return parse(await readFile(file, 'utf8'));
      } catch (reason) {
        if ((reason as NodeJS.ErrnoException).code !== 'ENOENT')
          log.warn('The kept assignments cannot be read; nothing is received until the configuration server tells them', {
            file,
            error: reason,
          });
        return undefined;
      }
    },
    async save({ revision, machines, revoked, reconciling }) {
      const handle = await open(`${file}.new`, 'w', 0o600);
      try {
        await handle.writeFile(JSON.stringify({ form: 1, revision, machines: [...machines.values()], revoked: [...revoked], reconciling }));
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(`${file}.new`, file);
    },
  };
};
