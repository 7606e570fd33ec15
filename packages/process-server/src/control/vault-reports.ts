import type { MessageInitShape } from '@bufbuild/protobuf';
import { idBytes, type VaultReportSchema, VaultState } from '@holdfast/protocol';
import type { Machine } from '../machines.ts';
import type { UploadState } from '../upload/uploader.ts';
import type { VaultStanding, Vaults } from '../upload/vaults.ts';

/** Characters of a problem that are told. */
const MOST_WORDS = 500;

/** What says that the settings do not fit the vault, not that it is away. */
const OF_THE_KEY: ReadonlySet<string> = new Set(['VAULT_KEY_WRONG', 'IDENTITY_MISMATCH', 'SETTING_INVALID', 'KEY_NOT_FOUND']);

const stateOf = ({ previous, problem, isOpen }: VaultStanding): VaultState => {
  if (previous !== undefined) return VaultState.OTHER;
  if (problem !== undefined) return OF_THE_KEY.has(problem.code) ? VaultState.KEY : VaultState.UNREACHABLE;
  return isOpen ? VaultState.OPEN : VaultState.UNSPECIFIED;
};

/** A machine with what its uploader said when it was asked. */
export interface MachineStanding {
  readonly assignment: Machine['assignment'];
  readonly state: UploadState;
}

/** Asks each uploader once: it goes through all that waits. */
export const standingsOf = (machines: Iterable<Pick<Machine, 'assignment' | 'uploader'>>): MachineStanding[] =>
  Array.from(machines, ({ assignment, uploader }) => ({ assignment, state: uploader.state }));

/** What the configuration server is told of the vaults of the settings: of each what is known without asking it. */
export const vaultReports = (
  vaults: Pick<Vaults, 'standings'>,
  machines: readonly MachineStanding[],
): MessageInitShape<typeof VaultReportSchema>[] =>
  vaults.standings().map((standing) => {
    const { name, id, location, place, previous, problem, looked } = standing;
    const own = machines.filter(({ assignment: { vault } }) => vault === name || vault === id);
    return {
      name,
      vaultId: id === undefined ? new Uint8Array() : idBytes(id),
      location,
      place,
      state: stateOf(standing),
      problemCode: problem?.code ?? '',
      problem: problem?.message.slice(0, MOST_WORDS) ?? '',
      previousVaultId: previous === undefined ? new Uint8Array() : idBytes(previous),
      machines: own.length,
      pendingBytes: BigInt(own.reduce((sum, { state }) => sum + state.pendingBytes, 0)),
      newestPointUnixMillis: BigInt(own.reduce((newest, { state }) => Math.max(newest, state.newestPoint), 0)),
      lookedUnixMillis: BigInt(looked),
    };
  });
