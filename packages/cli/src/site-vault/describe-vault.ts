import { idText, type Vault, VaultState } from '@holdfast/protocol';
import { shortId } from '../choose/choose-resource.ts';
import type { Answer, Part } from '../output/answer.ts';
import { formatBytes, formatCount } from '../output/format.ts';
import { instant } from '../site/times.ts';
import { healthWord, protectionStateWord, stateCell } from '../site/words.ts';

const UNKNOWN = 'unknown';

const STATES: Readonly<Record<VaultState, string>> = {
  [VaultState.UNSPECIFIED]: UNKNOWN,
  [VaultState.OPEN]: 'open',
  [VaultState.UNREACHABLE]: 'unreachable',
  [VaultState.KEY]: 'key does not fit',
  [VaultState.OTHER]: 'another vault',
};

export interface VaultDescription {
  readonly id: string;
  readonly version: number;
  readonly name: string;
  readonly health: string;
  /** Why it is not healthy. */
  readonly problems: readonly string[];
  readonly location: string;
  readonly registered: string | null;
  /** When it was given up, and by whom; null while it is in use. */
  readonly decommissioned: { readonly at: string; readonly by: string } | null;
  readonly servers: readonly {
    readonly id: string;
    readonly name: string;
    readonly connected: boolean;
    /** What its settings call the vault. */
    readonly calls: string;
    readonly state: string;
    readonly problem: string;
    readonly location: string;
    /** At another place than the one that counts. */
    readonly elsewhere: boolean;
  }[];
  /** Machines that are protected into it. */
  readonly machines: number;
  readonly newestPoint: string | null;
  /** Bytes on their way into it. */
  readonly pendingBytes: number;
  readonly newestBackup: string | null;
  /** Where one vault is asked for: which machines, and what else uses it. */
  readonly machinesWithin: readonly {
    readonly id: string;
    readonly name: string;
    readonly state: string;
    readonly newestPoint: string | null;
  }[];
  readonly usedBy: readonly string[];
}

/** A vault as programs get it. */
export const describeVault = (vault: Vault): VaultDescription => ({
  id: vault.id,
  version: Number(vault.version),
  name: vault.name,
  health: healthWord(vault.health),
  problems: vault.problems,
  location: vault.location,
  registered: instant(vault.registeredUnixMillis),
  decommissioned:
    vault.decommissionedUnixMillis === 0n ? null : { at: instant(vault.decommissionedUnixMillis) ?? '', by: vault.decommissionedBy },
  servers: vault.servers.map(({ serverId, serverName, connected, report, elsewhere }) => {
    const known = report?.vaultId.length === 16 && idText(report.vaultId) === vault.id;
    return {
      id: serverId,
      name: serverName,
      connected,
      calls: report?.name ?? '',
      state: connected && known ? (STATES[report?.state ?? VaultState.UNSPECIFIED] ?? UNKNOWN) : UNKNOWN,
      problem: connected ? (report?.problem ?? '') : '',
      location: report?.location ?? '',
      elsewhere,
    };
  }),
  machines: vault.machines,
  newestPoint: instant(vault.newestPointUnixMillis),
  pendingBytes: Number(vault.pendingBytes),
  newestBackup: instant(vault.newestBackupUnixMillis),
  machinesWithin: vault.machinesWithin.map(({ machineId, machineName, state, newestPointUnixMillis }) => ({
    id: machineId,
    name: machineName,
    state: protectionStateWord(state),
    newestPoint: instant(newestPointUnixMillis),
  })),
  usedBy: vault.usedBy,
});

const serverNames = ({ servers }: VaultDescription): string =>
  servers.map(({ name, connected, elsewhere }) => `${name}${elsewhere ? ' (elsewhere)' : connected ? '' : ' (away)'}`).join(', ') || 'none';

/** Who would use it still, of one that was given up. */
const stillNamed = ({ servers }: VaultDescription): string =>
  servers.length === 0 ? '' : `, still in the settings of ${servers.map(({ name }) => name).join(', ')}`;

export const vaultsAnswer = (vaults: readonly VaultDescription[]): Answer => ({
  data: vaults,
  people:
    vaults.length === 0
      ? [{ line: 'No process server has told of a vault yet: vaults stand in their settings (docs/operations.md, "Vaults of the site").' }]
      : [
          {
            columns: [
              { heading: 'VAULT', shrink: true },
              { heading: 'ID' },
              { heading: 'HEALTH' },
              { heading: 'MACHINES', right: true },
              { heading: 'SERVERS', shrink: true },
              { heading: 'NEWEST POINT', optional: true },
              { heading: 'LOCATION', shrink: true, optional: true },
            ],
            rows: vaults.map((vault) => [
              vault.name,
              shortId(vault.id, vaults),
              vault.decommissioned === null ? stateCell(vault.health) : `decommissioned${stillNamed(vault)}`,
              String(vault.machines),
              serverNames(vault),
              vault.newestPoint ?? '',
              vault.location,
            ]),
          },
        ],
});

const serverLine = (server: VaultDescription['servers'][number], { name, location }: VaultDescription): string => {
  const words = [
    server.connected ? server.state : 'away',
    ...(server.calls === name || server.calls === '' ? [] : [`its settings call it ${server.calls}`]),
    ...(server.elsewhere
      ? [`at another place: ${server.location}`]
      : server.location === location || server.location === ''
        ? []
        : [`at ${server.location}`]),
    ...(server.problem === '' ? [] : [server.problem]),
  ];
  return `  served by   ${server.name}: ${words.join(', ')}`;
};

export const vaultAnswer = (vault: VaultDescription): Answer => ({
  data: vault,
  people: [
    { line: `${vault.name} (${vault.id}), ${vault.decommissioned === null ? vault.health : 'decommissioned'}` },
    ...(vault.decommissioned === null
      ? []
      : [
          {
            line: `  given up    on ${vault.decommissioned.at} by ${vault.decommissioned.by}${stillNamed(vault)}; its objects stay as they are`,
          },
        ]),
    ...vault.problems.map((problem): Part => ({ line: `  NOT WELL    ${problem}` })),
    { line: `  location    ${vault.location || 'not told yet'}` },
    ...(vault.servers.length === 0
      ? [{ line: '  served by   none' }]
      : vault.servers.map((server) => ({ line: serverLine(server, vault) }))),
    { line: `  machines    ${formatCount(vault.machines, 'machine')}, ${formatBytes(vault.pendingBytes)} on the way into it` },
    { line: `  points      ${vault.newestPoint === null ? 'none known' : `the newest of ${vault.newestPoint}`}` },
    ...(vault.newestBackup === null ? [] : [{ line: `  backup      of the configuration server, of ${vault.newestBackup}` }]),
    ...vault.usedBy.map((words) => ({ line: `  used by     ${words}` })),
    ...(vault.machinesWithin.length === 0
      ? []
      : [
          { line: '' },
          {
            columns: [{ heading: 'MACHINE', shrink: true }, { heading: 'ID' }, { heading: 'STATE' }, { heading: 'NEWEST POINT' }],
            rows: vault.machinesWithin.map(({ id, name, state, newestPoint }) => [
              name,
              shortId(id, vault.machinesWithin),
              stateCell(state),
              newestPoint ?? '',
            ]),
          },
        ]),
  ],
});
