import { clone } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import { HoldfastError } from '@holdfast/errors';
import { isId, newId, type Policy, PolicySchema, type PolicyService } from '@holdfast/protocol';
import { claimName, nameId } from '../enrolment/member-name.ts';
import { personOf } from '../listener/caller.ts';
import { find, listPage, type Stored } from '../records/kind.ts';
import { names, policies, policyUses } from '../records/kinds.ts';
import { type Transaction, transact } from '../records/transaction.ts';
import { requestInvalid } from '../request-invalid.ts';
import type { StateStore } from '../state/state-store.ts';
import { deleteFailbackPolicy } from './failback-policy.ts';
import { ID_PLACE, pagePlace, pageSize, pageToken } from './paging.ts';
import { checkPolicy, completePolicy } from './policy-rules.ts';
import { requireVersion, resolve } from './resolve.ts';

const usage = async (store: StateStore, id: string): Promise<number> => (await find(store, policyUses, id))?.value.protections ?? 0;

const message = ({ id, version, value }: Omit<Stored<Policy>, 'key'>, used: number): Policy => ({
  ...value,
  id,
  version: BigInt(version),
  protections: used,
});

/** Writes a new policy into a commit. */
export const putPolicy = async (transaction: Transaction, policy: Policy): Promise<string> => {
  const id = newId();
  await claimName(transaction, 'policy', policy.name, id);
  transaction.put(policies, id, { ...policy, id: '', version: 0n, protections: 0 });
  return id;
};

const given = (policy: Policy | undefined): Policy => {
  if (policy === undefined) throw requestInvalid('policy', 'it is missing', 'send one');
  const complete = completePolicy(clone(PolicySchema, policy));
  checkPolicy(complete);
  return complete;
};

/** Throws POLICY_IN_USE for the way home of a policy that is there. */
const refuseWayHome = async (transaction: Transaction, name: string, failbackOf: string): Promise<void> => {
  const outward = failbackOf === '' ? undefined : await transaction.read(policies, failbackOf);
  if (outward === undefined) return;
  throw new HoldfastError('POLICY_IN_USE', {
    thing: `policy ${name}`,
    why: `it is the way home of those who follow ${outward.value.name}`,
    remedy: `change it, or delete ${outward.value.name}, with which it goes`,
  });
};

/** How machines are protected, under names. */
export const createPolicyService = ({ store }: { readonly store: StateStore }): ServiceImpl<typeof PolicyService> => ({
  async listPolicies({ pageSize: size, pageToken: token }) {
    const page = await listPage(store, policies, pageSize(size), pagePlace(token, ID_PLACE));
    const rows = await Promise.all(page.rows.map(async (row) => message(row, await usage(store, row.id))));
    return { policies: rows, nextPageToken: pageToken(page.next) };
  },
  async createPolicy({ policy }, { values }) {
    const { name: actor } = personOf(values);
    const value = given(policy);
    if (value.failbackOf !== '') throw requestInvalid('failback_of', 'such a policy is made with a protection', 'leave it empty');
    if (isId(value.name)) throw requestInvalid('policy', 'its name has the form of an id', 'choose another name');
    const { revision, result: id } = await transact(store, async (transaction) => {
      const fresh = await putPolicy(transaction, value);
      transaction.event({
        severity: 'information',
        code: 'policy-created',
        text: `Policy ${value.name} was created`,
        subject: fresh,
        actor,
      });
      transaction.audit({ actor, action: 'CreatePolicy', subject: fresh, detail: value.name });
      return fresh;
    });
    return { policy: message({ id, version: revision, value }, 0) };
  },
  async updatePolicy({ policy }, { values }) {
    const { name: actor } = personOf(values);
    const value = given(policy);
    const { id } = await resolve(store, policies, 'policy', value.id === '' ? value.name : value.id);
    const { revision } = await transact(store, async (transaction) => {
      const stored = await transaction.read(policies, id);
      if (stored === undefined)
        throw new HoldfastError('RESOURCE_NOT_FOUND', { thing: id, why: 'it was deleted', remedy: 'list policies' });
      requireVersion(`policy ${stored.value.name}`, stored.version, value.version);
      if (nameId('policy', stored.value.name) !== nameId('policy', value.name))
        transaction.delete(names, nameId('policy', stored.value.name));
      await claimName(transaction, 'policy', value.name, id);
      const { failbackOf } = stored.value;
      transaction.put(policies, id, { ...value, failbackOf, id: '', version: 0n, protections: 0 });
      transaction.event({ severity: 'information', code: 'policy-changed', text: `Policy ${value.name} was changed`, subject: id, actor });
      transaction.audit({ actor, action: 'UpdatePolicy', subject: id, detail: value.name });
    });
    return { policy: message({ id, version: revision, value }, await usage(store, id)) };
  },
  async deletePolicy({ policy, version }, { values }) {
    const { name: actor } = personOf(values);
    const { id } = await resolve(store, policies, 'policy', policy);
    await transact(store, async (transaction) => {
      const stored = await transaction.read(policies, id);
      if (stored === undefined) return;
      const { name, failbackOf } = stored.value;
      requireVersion(`policy ${name}`, stored.version, version);
      await refuseWayHome(transaction, name, failbackOf);
      const used = (await transaction.read(policyUses, id))?.value.protections ?? 0;
      if (used > 0)
        throw new HoldfastError('POLICY_IN_USE', {
          thing: `policy ${name}`,
          why: `${used} protection${used === 1 ? ' follows' : 's follow'} it`,
          remedy: 'end these protections first',
        });
      transaction.delete(policies, id);
      transaction.delete(policyUses, id);
      transaction.delete(names, nameId('policy', name));
      await deleteFailbackPolicy(transaction, id);
      transaction.event({ severity: 'information', code: 'policy-deleted', text: `Policy ${name} was deleted`, subject: id, actor });
      transaction.audit({ actor, action: 'DeletePolicy', subject: id, detail: name });
    });
    return {};
  },
});
