// A site with a machine that is protected, one that is not, a process server and two policies.
import { create } from '@bufbuild/protobuf';
import {
  DiskPhase,
  Health,
  idBytes,
  JobState,
  MachineSchema,
  ProtectionState,
  Role,
  Severity,
  VaultSchema,
  VaultState,
} from '@holdfast/protocol';
import { emptyScript, type Script } from './script.ts';

/** Milliseconds since 1970: when the sample is looked at. */
export const SAMPLE_NOW = Date.UTC(2026, 10, 22, 12);

const id = (digits: string): string => digits.padEnd(32, '0');
const before = (seconds: number): bigint => BigInt(SAMPLE_NOW - seconds * 1000);

export const SAMPLE = {
  db1: id('db10'),
  web: id('bb20'),
  sda: id('da'),
  sdb: id('dbb'),
  gold: id('6011'),
  silver: id('5117'),
  ps1: id('9501'),
  office: id('0ff1ce'),
  attic: id('a771c'),
  job: id('10b'),
} as const;

const GIB = 2n ** 30n;

export const sampleScript = (): Script => ({
  ...emptyScript(),
  machines: [
    create(MachineSchema, {
      id: SAMPLE.db1,
      version: 7n,
      name: 'db1',
      health: Health.CRITICAL,
      connected: true,
      lastSeenUnixMillis: before(2),
      agentVersion: '0.1.0',
      protectionId: id('707'),
      manifest: {
        operatingSystem: { prettyName: 'Debian GNU/Linux 12 (bookworm)' },
        processors: 4,
        memoryBytes: 8n * GIB,
        disks: [
          { id: idBytes(SAMPLE.sdb), name: 'sdb', size: 100n * GIB, order: 1 },
          { id: idBytes(SAMPLE.sda), name: 'sda', size: 20n * GIB, order: 0, boot: true },
        ],
      },
      report: {
        newestPointUnixMillis: before(4),
        rpoSeconds: 4.2,
        points: 321n,
        changedBytesPerSecond: 3_000_000n,
        sentBytesPerSecond: 1_500_000n,
        pendingBytes: 5n * 2n ** 20n,
        sourceBytes: 8n * 2n ** 20n,
        churnSeconds: [90n, 9n, 0n, 0n, 0n, 0n, 0n, 1n],
        peakChurnBytesPerSecond: 120_000_000n,
        secondsWithoutServer: 75,
        serverProblem: '[CONNECTION_LOST] process server ps1: nobody answers',
        disks: [
          { diskId: idBytes(SAMPLE.sda), phase: DiskPhase.REPLICATING, size: 20n * GIB, copiedBytes: 20n * GIB },
          {
            diskId: idBytes(SAMPLE.sdb),
            phase: DiskPhase.COPYING,
            size: 100n * GIB,
            copiedBytes: 25n * GIB,
            problemCode: 'IO_FAILED',
            problem: 'sector 7 cannot be read',
          },
        ],
      },
    }),
    create(MachineSchema, {
      id: SAMPLE.web,
      version: 1n,
      name: 'web',
      health: Health.HEALTHY,
      connected: false,
      lastSeenUnixMillis: before(7200),
    }),
  ],
  protections: [
    {
      id: id('707'),
      version: 3n,
      machineId: SAMPLE.db1,
      policyId: SAMPLE.gold,
      vault: 'office',
      processServerId: SAMPLE.ps1,
      state: ProtectionState.COPYING,
      stateDetail: '1 of 2 disks',
    },
  ],
  policies: [
    {
      id: SAMPLE.gold,
      version: 4n,
      name: 'gold',
      pointIntervalSeconds: 5,
      rpoThresholdSeconds: 60,
      retention: '15d',
      compression: 'zstd',
      protections: 1,
    },
    {
      id: SAMPLE.silver,
      version: 1n,
      name: 'silver',
      pointIntervalSeconds: 60,
      rpoThresholdSeconds: 900,
      retention: '72h',
      compression: 'lz4',
    },
  ],
  vaults: [
    create(VaultSchema, {
      id: SAMPLE.office,
      version: 4n,
      name: 'office',
      location: 'file:/srv/office',
      registeredUnixMillis: before(86_400),
      health: Health.CRITICAL,
      problems: ['vault office cannot be used by ps1'],
      machines: 1,
      newestPointUnixMillis: before(4),
      servers: [
        {
          serverId: SAMPLE.ps1,
          serverName: 'ps1',
          connected: true,
          report: {
            name: 'main',
            vaultId: idBytes(SAMPLE.office),
            location: 'file:/srv/office',
            state: VaultState.UNREACHABLE,
            problemCode: 'STORE_UNAVAILABLE',
            problem: '[STORE_UNAVAILABLE] it does not answer',
          },
        },
      ],
      machinesWithin: [{ machineId: SAMPLE.db1, machineName: 'db1', processServerId: SAMPLE.ps1, state: ProtectionState.PROTECTED }],
      usedBy: ['a proof of db1'],
    }),
    create(VaultSchema, {
      id: SAMPLE.attic,
      version: 9n,
      name: 'attic',
      location: 'file:/srv/attic',
      decommissionedUnixMillis: before(60),
      decommissionedBy: 'admin',
      servers: [{ serverId: SAMPLE.ps1, serverName: 'ps1', connected: true, report: { name: 'attic', vaultId: idBytes(SAMPLE.attic) } }],
    }),
  ],
  servers: [
    {
      id: SAMPLE.ps1,
      version: 2n,
      name: 'ps1',
      role: Role.PROCESS_SERVER,
      health: Health.HEALTHY,
      connected: true,
      softwareVersion: '0.1.0',
      endpoints: ['ps1.example.com:9443'],
      vaults: ['office'],
      machines: 1,
      report: {
        journalUsedBytes: GIB,
        journalQuotaBytes: 4n * GIB,
        cpuShare: 0.25,
        residentBytes: 300n * 2n ** 20n,
        memoryBytes: 16n * GIB,
        memoryUsedBytes: 4n * GIB,
        machines: [
          {
            machineId: idBytes(SAMPLE.db1),
            pendingBytes: 3n * 2n ** 20n,
            uploadingBytes: 2n ** 20n,
            oldestPendingMillis: 130_000n,
            problem: '[STORE_UNAVAILABLE] the store is away',
          },
        ],
      },
    },
  ],
  tokens: [
    { id: id('70c1'), role: Role.AGENT, createdUnixMillis: before(600), expiresUnixMillis: before(-3000), note: 'rack 7' },
    { id: id('70c2'), role: Role.AGENT, createdUnixMillis: before(9000), expiresUnixMillis: before(5400), used: true },
    { id: id('70c3'), role: Role.PROCESS_SERVER, createdUnixMillis: before(9000), expiresUnixMillis: before(5400) },
  ],
  jobs: [
    {
      id: SAMPLE.job,
      version: 5n,
      kind: 'protect',
      machineId: SAMPLE.db1,
      state: JobState.RUNNING,
      startedBy: 'anna',
      createdUnixMillis: before(300),
      progress: 0.375,
      steps: [
        { name: 'check what is needed', state: JobState.SUCCEEDED, startedUnixMillis: before(300), endedUnixMillis: before(298) },
        { name: 'copy the disks', state: JobState.RUNNING, startedUnixMillis: before(298), detail: '45 GiB of 120 GiB' },
      ],
    },
  ],
  events: [
    {
      revision: 11n,
      unixMillis: before(9000),
      severity: Severity.INFORMATION,
      code: 'machine-enrolled',
      text: 'web joined',
      subject: SAMPLE.web,
    },
    { revision: 12n, unixMillis: before(7200), severity: Severity.WARNING, code: 'machine-away', text: 'web is away', subject: SAMPLE.web },
    {
      revision: 13n,
      unixMillis: before(300),
      severity: Severity.INFORMATION,
      code: 'job-started',
      text: 'protect db1',
      subject: SAMPLE.db1,
      actor: 'anna',
    },
  ],
});
