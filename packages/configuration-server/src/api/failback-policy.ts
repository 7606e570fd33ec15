import { create } from '@bufbuild/protobuf';
import { newId, type Policy, PolicySchema } from '@holdfast/protocol';
import { nameId } from '../enrolment/member-name.ts';
import { plainKind, type Stored } from '../records/kind.ts';
import { names, policies } from '../records/kinds.ts';
import type { Transaction } from '../records/transaction.ts';
import { completePolicy } from './policy-rules.ts';

/** The policy for the way home of the machines of a policy; its id is that of the policy of the way out. */
const failbackPolicies = plainKind<{ readonly id: string }>('failback-policy', 1);

const SUFFIX = '-failback';
const LONGEST_NAME = 63;

/** As the original has it, where it cannot be changed; here it can. */
const DEFAULTS = { rpoThresholdSeconds: 15 * 60, retention: '24h', applicationIntervalSeconds: 60 * 60 } as const;

/** A name that nothing has yet: that of the policy with "-failback", or with a number behind it. */
const freeName = async (transaction: Transaction, name: string): Promise<string> => {
  for (let number = 1; ; number += 1) {
    const end = number === 1 ? SUFFIX : `${SUFFIX}-${number}`;
    const wanted = name.slice(0, LONGEST_NAME - end.length) + end;
    if ((await transaction.read(names, nameId('policy', wanted))) === undefined) return wanted;
  }
};

/** The id of the policy for the way home of those who follow `policy`; made where there is none yet. */
export const ensureFailbackPolicy = async (transaction: Transaction, policy: Stored<Policy>, actor: string): Promise<string> => {
  const known = (await transaction.read(failbackPolicies, policy.id))?.value.id;
  if (known !== undefined) return known;
  const id = newId();
  const name = await freeName(transaction, policy.value.name);
  const { compression, pointIntervalSeconds } = policy.value;
  const made = completePolicy(create(PolicySchema, { ...DEFAULTS, name, compression, pointIntervalSeconds, failbackOf: policy.id }));
  // Whoever took it since it was looked for lets the commit fail, and all of this is done anew.
  transaction.put(names, nameId('policy', name), { id });
  transaction.put(policies, id, made);
  transaction.put(failbackPolicies, policy.id, { id });
  const text = `Policy ${name} was made for the way home of machines that follow ${policy.value.name}`;
  transaction.event({ severity: 'information', code: 'policy-created', text, subject: id, actor });
  return id;
};

/** It goes with the policy whose machines it was for. */
export const deleteFailbackPolicy = async (transaction: Transaction, policyId: string): Promise<void> => {
  const id = (await transaction.read(failbackPolicies, policyId))?.value.id;
  if (id === undefined) return;
  const policy = await transaction.read(policies, id);
  if (policy !== undefined) transaction.delete(names, nameId('policy', policy.value.name));
  transaction.delete(policies, id);
  transaction.delete(failbackPolicies, policyId);
};
