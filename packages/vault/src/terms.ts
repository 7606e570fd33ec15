import { create, toBinary } from '@bufbuild/protobuf';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { idBytes, idText, TermRecordSchema } from '@holdfast/protocol';
import { highestTaken } from './highest-taken.ts';
import { OBJECT_KIND } from './object-header.ts';
import { termName } from './object-names.ts';
import { decodeRecords, ifPresent, readHead } from './read-object.ts';
import { NO_TAG, sealObject } from './sealed-object.ts';
import type { VaultAccess } from './vault-access.ts';

/*
 * Terms are dense: whoever takes one creates every missing number below it first. So the highest is found by probing, and a writer only has to look for
 * the number after its own to know whether it was overtaken.
 */

/** The highest term taken on a machine, 0 when none was. */
export const highestTerm = (vault: VaultAccess, machineId: string): Promise<number> =>
  highestTaken(async (term) => (await ifPresent(vault.store.stat(termName(machineId, term)))) !== undefined);

/** True when somebody took a higher term. */
export const isOvertaken = async (vault: VaultAccess, machineId: string, term: number): Promise<boolean> =>
  (await ifPresent(vault.store.stat(termName(machineId, term + 1)))) !== undefined;

/** Takes a term above every one taken and above `seenTerm`. */
export const takeTerm = async (
  vault: VaultAccess,
  machineId: string,
  {
    keyEpoch,
    seenTerm,
    writerId,
    now,
  }: { readonly keyEpoch: number; readonly seenTerm: number; readonly writerId: string; readonly now: number },
): Promise<number> => {
  if (!Number.isSafeInteger(seenTerm) || seenTerm < 0 || seenTerm > TERM_LIMIT)
    throw new HoldfastError('SETTING_INVALID', {
      thing: `term ${seenTerm}`,
      why: 'no writer can ever have had it',
      remedy: 'correct the term seen',
    });
  const key = await vault.keys.keyOf(machineId, keyEpoch);
  const highest = await highestTerm(vault, machineId);
  if (seenTerm - highest > GAP_LIMIT)
    throw new HoldfastError('VAULT_ROLLED_BACK', {
      thing: `terms of machine ${machineId}`,
      why: `term ${seenTerm} was seen before, and now the vault ends at term ${highest}`,
      remedy: 'find out who put an older copy in place, and whether the term seen is true; terms are never deleted',
    });
  let mine = 0;
  for (let term = highest + 1; mine <= seenTerm; term += 1) {
    const record = create(TermRecordSchema, { writerId: idBytes(writerId), takenUnixMillis: BigInt(now) });
    const { bytes } = sealObject(
      key,
      { kind: OBJECT_KIND.term, keyEpoch, vaultId: vault.id, machineId, number: term, previousTag: NO_TAG },
      { records: toBinary(TermRecordSchema, record), index: new Uint8Array(0), frames: [] },
    );
    if (await createOrRecognize(vault, machineId, term, bytes, writerId)) mine = term;
  }
  return mine;
};

/** Terms made up for at once; more are missing only where an old copy was put in place, or the term seen is false. */
const GAP_LIMIT = 1000;

/** A name holds twelve digits. */
const TERM_LIMIT = 10 ** 12 - 2;

/** True when the term is the writer's: now, or since an earlier create whose answer was lost below this store. */
const createOrRecognize = async (
  vault: VaultAccess,
  machineId: string,
  term: number,
  bytes: Uint8Array,
  writerId: string,
): Promise<boolean> => {
  const name = termName(machineId, term);
  try {
    await vault.store.create(name, bytes);
    return true;
  } catch (reason) {
    if (!isHoldfastError(reason, 'OBJECT_EXISTS')) throw reason;
  }
  const head = await readHead(vault, name, { kind: OBJECT_KIND.term, machineId, number: term });
  return idText(decodeRecords(TermRecordSchema, head, name).writerId) === writerId;
};
