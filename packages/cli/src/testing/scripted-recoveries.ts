// Points and recoveries of a scripted configuration server.
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { ConnectRouter } from '@connectrpc/connect';
import { HoldfastError } from '@holdfast/errors';
import {
  Direction,
  type Job,
  newId,
  RecoveryKind,
  type RecoveryPointSchema,
  RecoverySchema,
  RecoveryService,
  RecoveryState,
} from '@holdfast/protocol';
import { page, type Script } from './script.ts';

export const recoveryRoutes = (router: ConnectRouter, script: Script, startJob: (kind: string, machineId: string) => Job): void => {
  const pointOf = (word: string): MessageInitShape<typeof RecoveryPointSchema> => {
    const found =
      script.points.find(({ id }) => id!.startsWith(word)) ?? (word.startsWith('latest') || word === '' ? script.points[0] : undefined);
    if (found === undefined)
      throw new HoldfastError('POINT_NOT_FOUND', { thing: `point ${word}`, why: 'it was thinned', remedy: 'choose another' });
    return found;
  };
  const begin = (kind: RecoveryKind, request: { machine: string; point: string; target?: unknown }) => {
    const job = startJob(kind === RecoveryKind.TEST ? 'test-failover' : 'failover', request.machine);
    script.orders.push(request);
    const recovery = create(RecoverySchema, {
      id: newId(),
      kind,
      direction: Direction.FORWARD,
      machineId: request.machine,
      machineName: script.machines.find(({ id }) => id === request.machine)?.name ?? '',
      state: RecoveryState.RUNNING,
      point: pointOf(request.point),
      jobId: job.id,
    });
    script.recoveries.unshift(recovery);
    return { job, recovery };
  };
  const next = (kind: string) => (request: { machine: string }) => {
    script.orders.push(request);
    return { job: startJob(kind, request.machine) };
  };
  const own = (kind: string, request: { recovery: string }) => {
    script.orders.push(request);
    return { job: startJob(kind, script.recoveries.find(({ id }) => id === request.recovery)?.machineId ?? '') };
  };
  router.service(RecoveryService, {
    listPoints: (request) => {
      const { rows, nextPageToken } = page(script.points, request);
      return {
        points: rows,
        nextPageToken,
        total: BigInt(script.points.length),
        unusualWriting: script.writings,
        ...(script.lastProven && { lastProven: script.lastProven }),
      };
    },
    resolvePoint: ({ point }) => ({ point: pointOf(point) }),
    provePoint: (request) => {
      script.orders.push(request);
      return { job: startJob('proof', request.machine) };
    },
    testFailover: (request) => begin(RecoveryKind.TEST, request),
    failover: (request) => begin(RecoveryKind.FAILOVER, request),
    changePoint: next('change-point'),
    cancelFailover: next('cancel-failover'),
    cleanUpTest: next('clean-up-test'),
    startMachine: (request) => own('start-machine', request),
    forgetRecovery: (request) => own('forget-recovery', request),
    commitFailover: (request) => ({
      ...(request.preview ? {} : next('commit')(request)),
      kept: ['the machine as it runs'],
      deleted: ['the way back'],
    }),
    listRecoveries: (request) => {
      const { rows, nextPageToken } = page(
        script.recoveries.filter(
          ({ machineId, state }) =>
            (request.machine === '' || request.machine === machineId) &&
            (!request.open || (state !== RecoveryState.ENDED && state !== RecoveryState.COMMITTED)),
        ),
        request,
      );
      return { recoveries: rows, nextPageToken };
    },
    listOperations: () => ({
      state: 3,
      operations: [
        ...['failover', 'change-point', 'cancel-failover'].map((operation) =>
          script.impossible.includes(operation)
            ? { operation, allowed: false, problemCode: 'OPERATION_REFUSED', why: 'it is not the time', remedy: 'wait' }
            : { operation, allowed: true },
        ),
        { operation: 'commit', allowed: false, problemCode: 'OPERATION_REFUSED', why: 'it is protected', remedy: 'fail it over first' },
      ],
    }),
  });
};
