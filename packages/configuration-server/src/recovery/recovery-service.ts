import type { ServiceImpl } from '@connectrpc/connect';
import { HoldfastError } from '@holdfast/errors';
import {
  Direction,
  idBytes,
  idText,
  isId,
  newId,
  PointKind,
  ProtectionState,
  type RecoveryService,
  type RecoveryTarget,
} from '@holdfast/protocol';
import type { ApiParts } from '../api/api-parts.ts';
import { ID_PLACE, pagePlace, pageSize, pageToken } from '../api/paging.ts';
import { completeTarget, targetOver } from '../api/prerequisites.ts';
import { resolve } from '../api/resolve.ts';
import { serversWith } from '../jobs/choose-server.ts';
import { jobMessage } from '../jobs/job-message.ts';
import { personOf } from '../listener/caller.ts';
import { startProof } from '../proofs/proof-plan.ts';
import { checkSchedule, checksOver } from '../proofs/proof-schedule.ts';
import { find, listPage, type Stored } from '../records/kind.ts';
import { type MachineRecord, machines, policies, protections, servers as serverKind } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { checkLine, requestInvalid } from '../request-invalid.ts';
import { vaultName } from '../vaults/vault-record.ts';
import { adoptFence } from './adopt-recoveries.ts';
import { chooseRecoveryServer } from './choose-recovery-server.ts';
import { commitConsequences } from './commit-consequences.ts';
import { insteadOfLost } from './lost-server.ts';
import { judge, MACHINE_OPERATIONS, machineState } from './operations.ts';
import { machineIn, type Ordered, openRecoveryOf, orderNext, orderRecovery } from './order-recovery.ts';
import { pointWord } from './point-word.ts';
import { endingAnew } from './recovery-commits.ts';
import { recoveryMessage } from './recovery-message.ts';
import { openRecoveries, type RecoveryRecord, recoveries, recoveriesOf } from './recovery-record.ts';
import { protectionFor, refusal, requireOperation, thereOf } from './require-operation.ts';

const LONGEST_NOTES = 1000;

const missing = (id: string): HoldfastError =>
  new HoldfastError('RESOURCE_NOT_FOUND', {
    thing: `recovery ${id.slice(0, 64)}`,
    why: 'there is none of this id',
    remedy: 'see `holdfast recovery list`',
  });

/** Points, test failovers and failovers. What is done is done by jobs. */
export const createRecoveryService = ({ store, servers, plans, questions }: ApiParts): ServiceImpl<typeof RecoveryService> => {
  const answer = async ({ job, recovery }: Ordered, revision: number) => ({
    job: jobMessage({ ...job, version: revision }),
    recovery: await recoveryMessage(store, { ...recovery, version: revision }, servers),
  });

  const messages = (all: readonly Stored<RecoveryRecord>[]) => Promise.all(all.map((one) => recoveryMessage(store, one, servers)));

  const recoveryById = async (id: string): Promise<Stored<RecoveryRecord>> => {
    const found = isId(id) ? await find(store, recoveries, id) : undefined;
    if (found === undefined) throw missing(id);
    return found;
  };

  /** Where the points of a machine are: the vault of its protection. */
  const placeOf = async (wanted: string) => {
    const machine = await resolve(store, machines, 'machine', wanted);
    const { name, protectionId } = machine.value;
    const protection = protectionId === '' ? undefined : await find(store, protections, protectionId);
    if (protection === undefined)
      throw new HoldfastError('MACHINE_NOT_PROTECTED', {
        thing: `machine ${name}`,
        why: 'it is not protected, so it is not known which vault its points are in',
        remedy: 'see `holdfast vault points` with the vault and its key',
      });
    return { machine, machineId: machine.id, vault: protection.value.vault, server: protection.value.processServerId, protection };
  };

  /** Begins a test or a failover of a machine. */
  const order = async (
    kind: 'test' | 'failover',
    request: { readonly machine: string; readonly target?: RecoveryTarget | undefined; readonly processServer: string },
    more: { readonly point: string; readonly actor: string; readonly shutdown?: boolean; readonly force?: boolean },
  ) => {
    pointWord(more.point);
    const machine = await resolve(store, machines, 'machine', request.machine);
    // What is not possible at all is said before what is missing.
    await transact(store, (transaction) => protectionFor(transaction, machine, kind === 'test' ? 'test-failover' : 'failover'));
    const { protection, vault, server: own } = await placeOf(request.machine);
    const target = targetOver(protection.value.target, request.target);
    const wanted = request.processServer === '' ? '' : (await resolve(store, serverKind, 'server', request.processServer)).id;
    const serverId = await chooseRecoveryServer(store, servers, { vault, fabric: target.fabric, wanted, own });
    const plan = plans[kind === 'test' ? 'test-failover' : 'failover'];
    const { revision, result } = await transact(store, (transaction) =>
      orderRecovery(transaction, { ...more, store, plan, kind, machineId: machine.id, serverId, target }),
    );
    return answer(result, revision);
  };

  /** A failover that nobody but the log in the vault knows of, and a process server that can end it. */
  const fenceOf = async (wanted: string, signal: AbortSignal) => {
    const { machineId, vault, server } = await placeOf(wanted);
    const choice = { case: 'newest', value: PointKind.CRASH } as const;
    const found = await questions.ask({ machineId, vault, server, question: { case: 'choose', value: { choice } } }, signal);
    const holders = serversWith(servers, vault);
    return {
      operationId: idText(found.failedOverOperationId),
      point: found.points[0],
      serverId: holders.includes(server) ? server : (holders[0] ?? ''),
    };
  };

  /** The machine and its failover, in a state in which the operation is possible. */
  const failoverOf = async (
    transaction: Parameters<Parameters<typeof transact>[1]>[0],
    { id }: Stored<MachineRecord>,
    operation: 'change-point' | 'cancel-failover' | 'commit',
  ): Promise<Stored<RecoveryRecord>> => {
    const machine = await machineIn(transaction, id);
    await requireOperation(transaction, machine, operation);
    return openRecoveryOf(transaction, machine, 'failover');
  };

  return {
    async listPoints({ machine, pageSize: size, pageToken: token, fromUnixMillis, toUnixMillis }, { signal }) {
      const { machineId, vault, server } = await placeOf(machine);
      const after = pagePlace(token, ID_PLACE);
      const points = {
        limit: pageSize(size),
        fromUnixMillis,
        toUnixMillis,
        ...(after === undefined ? {} : { afterPointId: idBytes(after) }),
      };
      const found = await questions.ask({ machineId, vault, server, question: { case: 'points', value: points } }, signal);
      return {
        points: found.points,
        nextPageToken: pageToken(found.more ? found.points.at(-1)?.id : undefined),
        total: found.total,
        unusualWriting: found.unusualWriting,
        ...(found.lastProven === undefined ? {} : { lastProven: found.lastProven }),
      };
    },

    async resolvePoint({ machine, point }, { signal }) {
      const { choice } = pointWord(point);
      const { machineId, vault, server } = await placeOf(machine);
      const found = await questions.ask({ machineId, vault, server, question: { case: 'choose', value: { choice } } }, signal);
      return found.points[0] === undefined ? {} : { point: found.points[0] };
    },

    testFailover: (request, { values }) => order('test', request, { point: request.point, actor: personOf(values).name }),

    async cleanUpTest({ recovery: wanted, machine: wantedMachine, notes, handOver }, { values }) {
      const { name: actor } = personOf(values);
      checkLine(notes, 'notes', LONGEST_NOTES);
      const machine = wanted === '' ? await resolve(store, machines, 'machine', wantedMachine) : undefined;
      const about = machine?.id ?? (await recoveryById(wanted)).value.machineId;
      const instead = await insteadOfLost(store, servers, about, 'test', 'ends', handOver);
      const { revision, result } = await transact(store, async (transaction) => {
        if (machine !== undefined) await requireOperation(transaction, await machineIn(transaction, machine.id), 'clean-up-test');
        const recovery = machine === undefined ? await recoveryById(wanted) : await openRecoveryOf(transaction, machine, 'test');
        const current = (await transaction.read(recoveries, recovery.id)) ?? recovery;
        if (current.value.kind !== 'test')
          throw requestInvalid('recovery', 'it is a failover', 'cancel or commit it with `holdfast failover`');
        if (current.value.state === 'ended') throw requestInvalid('recovery', 'it has ended', 'there is nothing to clean up');
        const plan = plans['clean-up-test'];
        return orderNext(transaction, current, {
          store,
          plan,
          kind: 'clean-up-test',
          actor,
          recovery: { ...endingAnew('released'), notes },
          instead,
        });
      });
      return answer(result, revision);
    },

    failover(request, { values }) {
      if (request.direction !== Direction.FORWARD)
        throw requestInvalid(
          'direction',
          'it was not confirmed: this failover goes from the source to the recovery site',
          'send DIRECTION_FORWARD; the way back comes with version 0.5',
        );
      return order('failover', request, {
        point: request.point || 'latest',
        actor: personOf(values).name,
        shutdown: request.shutdownSource,
        force: request.force,
      });
    },

    async changePoint({ machine: wanted, point, handOver }, { values }) {
      const { name: actor } = personOf(values);
      if (pointWord(point).drains)
        throw requestInvalid('point', 'the source sends nothing any more', 'say latest-processed, which is the newest there is');
      const machine = await resolve(store, machines, 'machine', wanted);
      const instead = await insteadOfLost(store, servers, machine.id, 'failover', 'starts', handOver);
      const { revision, result } = await transact(store, async (transaction) => {
        const recovery = await failoverOf(transaction, machine, 'change-point');
        return orderNext(transaction, recovery, {
          store,
          instead,
          plan: plans['change-point'],
          kind: 'change-point',
          actor,
          input: { point },
          recovery: { lastPoint: '' },
        });
      });
      return answer(result, revision);
    },

    async cancelFailover({ machine: wanted, handOver }, { values, signal }) {
      const { name: actor } = personOf(values);
      const machine = await resolve(store, machines, 'machine', wanted);
      await transact(store, async (transaction) =>
        requireOperation(transaction, await machineIn(transaction, machine.id), 'cancel-failover'),
      );
      const fenced =
        (await find(store, openRecoveries, `${machine.id}/failover`)) === undefined ? await fenceOf(wanted, signal) : undefined;
      const instead = await insteadOfLost(store, servers, machine.id, 'failover', 'ends', handOver);
      const { revision, result } = await transact(store, async (transaction) => {
        const recovery =
          fenced === undefined
            ? await failoverOf(transaction, machine, 'cancel-failover')
            : await adoptFence(transaction, await machineIn(transaction, machine.id), fenced);
        return orderNext(transaction, recovery, {
          store,
          plan: plans['cancel-failover'],
          kind: 'cancel-failover',
          actor,
          recovery: endingAnew('discarded'),
          instead,
          state: ProtectionState.CANCELLING,
        });
      });
      return answer(result, revision);
    },

    async commitFailover({ machine: wanted, preview }, { values }) {
      const { name: actor } = personOf(values);
      const machine = await resolve(store, machines, 'machine', wanted);
      const { result: before } = await transact(store, (transaction) => failoverOf(transaction, machine, 'commit'));
      const consequences = commitConsequences(before, servers, await vaultName(store, before.value.vault));
      if (preview) return { recovery: await recoveryMessage(store, before, servers), ...consequences };
      const { revision, result } = await transact(store, async (transaction) => {
        const recovery = await failoverOf(transaction, machine, 'commit');
        return orderNext(transaction, recovery, { store, plan: plans.commit, kind: 'commit', actor, state: ProtectionState.COMMITTING });
      });
      return { ...(await answer(result, revision)), ...consequences };
    },

    async startMachine({ recovery: id }, { values }) {
      const { name: actor } = personOf(values);
      const recovery = await recoveryById(id);
      const { revision, result } = await transact(store, async (transaction) => {
        const current = (await transaction.read(recoveries, recovery.id)) ?? recovery;
        if (current.value.state !== 'running' && current.value.state !== 'committed')
          throw requestInvalid(
            'recovery',
            `no machine of it runs, or is to run: it is ${current.value.state}`,
            'see `holdfast recovery show`',
          );
        const kind = 'start-machine';
        return orderNext(transaction, current, { store, plan: plans[kind], kind, actor, recovery: { startRequest: newId() } });
      });
      return answer(result, revision);
    },

    async forgetRecovery({ recovery: id }, { values }) {
      const { name: actor } = personOf(values);
      const recovery = await recoveryById(id);
      const { revision, result } = await transact(store, async (transaction) => {
        const current = (await transaction.read(recoveries, recovery.id)) ?? recovery;
        if (current.value.state !== 'committed')
          throw requestInvalid(
            'recovery',
            `it is ${current.value.state}: only what was committed is its owner's`,
            'commit it first, or end it',
          );
        const { report } = await recoveryMessage(store, current, servers);
        const kind = 'forget-recovery';
        const input = { console: report?.machine?.console ?? '' };
        return orderNext(transaction, current, { store, plan: plans[kind], kind, actor, input });
      });
      return answer(result, revision);
    },

    async listRecoveries({ pageSize: size, pageToken: token, machine: wanted, open }) {
      const [limit, after] = [pageSize(size), pagePlace(token, ID_PLACE)];
      const machine = wanted === '' ? undefined : await resolve(store, machines, 'machine', wanted);
      if (open) {
        const page = await listPage(store, openRecoveries, limit, undefined, machine === undefined ? '' : `${machine.id}/`);
        const found = await Promise.all(page.rows.map(({ value }) => find(store, recoveries, value.recovery)));
        return { recoveries: await messages(found.filter((one) => one !== undefined)), nextPageToken: '' };
      }
      if (machine === undefined) {
        const page = await listPage(store, recoveries, limit, after);
        return { recoveries: await messages(page.rows), nextPageToken: pageToken(page.next) };
      }
      const within = `${machine.id}/`;
      const page = await listPage(store, recoveriesOf, limit, after === undefined ? undefined : within + after, within);
      const found = await Promise.all(page.rows.map(({ id }) => find(store, recoveries, id.slice(within.length))));
      return {
        recoveries: await messages(found.filter((one) => one !== undefined)),
        nextPageToken: pageToken(page.next?.slice(within.length)),
      };
    },

    async getRecovery({ id }) {
      return { recovery: await recoveryMessage(store, await recoveryById(id), servers) };
    },

    async provePoint({ machine: wanted, point, checks }, { values }) {
      const { name: actor } = personOf(values);
      pointWord(point);
      checkSchedule(checks);
      const { machine, protection, vault, server: own } = await placeOf(wanted);
      await transact(store, (transaction) => protectionFor(transaction, machine, 'prove'));
      // A job would wait for one: whoever asks is told at once.
      await chooseRecoveryServer(store, servers, { vault, fabric: completeTarget(protection.value.target).fabric, wanted: '', own });
      const ofPolicy = (await find(store, policies, protection.value.policyId))?.value.proof;
      const { revision, result } = await transact(store, async (transaction) => {
        const current = await machineIn(transaction, machine.id);
        await protectionFor(transaction, current, 'prove');
        const job = await startProof(transaction, plans.proof, { machine: current, actor, point, checks: checksOver(ofPolicy, checks) });
        transaction.audit({ actor, action: 'ProvePoint', subject: machine.id, detail: `${current.value.name} ${point}` });
        return job;
      });
      return { job: jobMessage({ ...result, version: revision }) };
    },

    async listOperations({ machine: wanted }) {
      const machine = await resolve(store, machines, 'machine', wanted);
      const { name, protectionId } = machine.value;
      const protection = protectionId === '' ? undefined : await find(store, protections, protectionId);
      const { result: there } = await transact(store, (transaction) => thereOf(transaction, machine.id));
      const state = machineState(protection?.value.state);
      return {
        state: protection?.value.state ?? ProtectionState.UNSPECIFIED,
        operations: MACHINE_OPERATIONS.map((operation) => {
          const verdict = judge(state, operation, there);
          if (verdict.allowed) return { operation, allowed: true };
          return {
            operation,
            allowed: false,
            problemCode: refusal(name, state, operation, there)!.code,
            why: verdict.why,
            remedy: verdict.remedy,
          };
        }),
      };
    },
  };
};
