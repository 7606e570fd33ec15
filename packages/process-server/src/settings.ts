import {
  address,
  bandwidthRule,
  bytes,
  duration,
  filePath,
  flag,
  integer,
  list,
  memberSettings,
  section,
  table,
  text,
  url,
} from '@holdfast/daemon';
import { RECEIVE_WINDOW } from '@holdfast/protocol';

/** Settings of `holdfast-process-server`. */
export const settings = {
  ...memberSettings,
  replication: section('Where agents send to.', {
    listen: address({ default: '0.0.0.0:9443', help: 'Address and port; port 0 takes a free one' }),
    advertise: list(address({ help: 'HOST:PORT' }), {
      help: 'Where agents reach this server, in the order they should try; unless given, the name of this machine with the port',
      max: 8,
    }),
    receiveWindow: bytes({
      default: '16MiB',
      min: '64KiB',
      max: `${RECEIVE_WINDOW.largest / 1024 / 1024}MiB`,
      help: 'Bytes an agent may have on their way; throughput over a distance is at most window / (2 x round trip)',
    }),
    memory: bytes({
      default: '256MiB',
      min: '16MiB',
      max: '64GiB',
      help: 'Memory for data on its way from agents to vaults, shared out over all streams',
    }),
  }),
  journal: section('Where received data waits, encrypted, until it is in its vault.', {
    directory: filePath({ optional: true, help: 'Directory of this server alone; default: journal/ in the state directory' }),
    quota: bytes({
      default: '8GiB',
      min: '64MiB',
      max: '64TiB',
      help: 'Bytes it may take; full, it first slows agents down, then stops them',
    }),
    segment: bytes({ default: '64MiB', min: '8MiB', max: '1GiB', help: 'Size of its preallocated files' }),
    patience: duration({
      default: '30s',
      min: '1s',
      max: '1h',
      help: 'How long there may be no room in it until agents are stopped; one that is may get another server',
    }),
  }),
  upload: section('From the journal into vaults.', {
    sealInterval: duration({
      default: '1s',
      min: '0s',
      max: '5min',
      help: 'Least time from one small object of a machine to the next: small cuts are gathered meanwhile; longer costs fewer requests and adds to the RPO',
    }),
    idleInterval: duration({
      default: '2min',
      min: '0s',
      max: '1h',
      help: 'Time cuts of a machine in which nothing has changed are gathered; they are on the disk of this server, and the machine counts as safe, meanwhile',
    }),
    segment: bytes({ default: '8MiB', min: '256KiB', max: '64MiB', help: 'Bytes at which an object is sealed' }),
    inFlight: integer({ default: '4', min: 1, max: 8, help: 'Objects of one machine under way at the same time' }),
    bandwidth: list(bandwidthRule({ help: 'When, and bytes a second' }), {
      help: 'Most bytes a second into the vaults, by the clock of this machine; the first rule that fits counts, unless one does there is no limit',
      max: 28,
    }),
    requests: integer({ default: '16', min: 1, max: 256, help: 'Objects of all machines under way at the same time' }),
    retryLongest: duration({
      default: '1min',
      min: '1s',
      max: '1h',
      help: 'Longest wait between two attempts of a machine to have a vault that does not answer; the first is a second, doubled each time',
    }),
  }),
  keeper: section(
    'Looks after the vaults of the machines assigned to this server: compacts, thins by the policy, deletes, and reads everything again.',
    {
      enabled: flag({
        default: true,
        help: 'Whether this server does so; switch it off where `holdfast vault keep` runs next to the store',
      }),
      every: duration({
        default: '15min',
        min: '10s',
        max: '1d',
        help: 'Time between two looks at a machine; four times that where its log got fewer than 64 objects meanwhile',
      }),
      pace: bytes({ default: '16MiB', min: '64KiB', max: '10GiB', help: 'Bytes a second it may read, and write, for compaction' }),
      coolAfter: duration({
        default: '0s',
        min: '0s',
        max: '3650d',
        help: 'Age at which what compaction wrote moves to the access tier cool, in stores that have tiers (it is paid for 30 days there at least); 0s: never',
      }),
      coldAfter: duration({ default: '0s', min: '0s', max: '3650d', help: 'The same for the tier cold (90 days at least); 0s: never' }),
      lockFor: duration({
        default: '0s',
        min: '0s',
        max: '3650d',
        help: 'Time for which nobody, not even who owns the account, can delete what points need, in stores with version-level immutability; renewed at half of it; 0s: not at all',
      }),
      keyFile: filePath({
        optional: true,
        help: 'Key that all keepers of the vaults share, and no process server that is none: what nobody vouched for by it is not acted upon. `holdfast vault keep --keeper-key` makes one',
      }),
      scrubEvery: duration({ default: '14d', min: '1min', max: '365d', help: 'Time after which all is read and verified again' }),
      scrubPace: bytes({ default: '2MiB', min: '64KiB', max: '10GiB', help: 'Bytes a second it reads for that' }),
    },
  ),
  recovery: section('Machines that are started out of the vaults, for test failovers and failovers.', {
    enabled: flag({ default: true, help: 'Whether this server starts machines; it needs QEMU for that' }),
    directory: filePath({
      optional: true,
      help: 'Where it keeps what it knows of them; at most 60 characters; default: recovery/ in the state directory',
    }),
    proofScripts: filePath({
      optional: true,
      help: 'Directory of the scripts that decide about scheduled proofs, by name; only root may be able to change it. Without it proofs run none',
    }),
    machines: filePath({
      optional: true,
      help: 'Where machines keep what they write and, by and by, their whole disks; at most 60 characters; default: vm/ in that directory',
    }),
  }),
  vaults: table(
    'vault',
    'The vaults this server writes to, each under a name of your choice: machines are bound to what stands in the vault, not to its name.',
    {
      url: url({ schemes: ['file', 'azure'], help: 'file:/srv/vault or azure:https://ACCOUNT.blob.core.windows.net/CONTAINER[/PREFIX]' }),
      keyFile: filePath({ optional: true, help: 'Key file of the vault; this or key-vault' }),
      keyVault: url({
        schemes: ['https'],
        optional: true,
        help: 'Key in Azure Key Vault that is a holder of the vault: https://VAULT.vault.azure.net/keys/NAME, used by the identity of this machine',
      }),
      fingerprint: text({
        optional: true,
        help: 'Fingerprint of the vault (`holdfast vault key list`): one that was put in its place is not opened',
      }),
      azureConnectionStringFile: filePath({ optional: true, help: 'File with the connection string of an Azure storage account' }),
      azureSasFile: filePath({ optional: true, help: 'File with a shared access signature; read again before each request' }),
      keeperAzureSasFile: filePath({
        optional: true,
        help: 'File with a shared access signature for the keeper, which needs the right to delete; default: what the server itself uses',
      }),
      azureAccountKeyFile: filePath({ optional: true, help: 'File with the key of an Azure storage account' }),
      azureClientId: text({ optional: true, help: 'Which managed identity to use where there are several and no file is given' }),
      azureCertificateAuthorities: filePath({ optional: true, help: 'PEM file of authorities to trust beside those of the machine' }),
      azureProxy: text({ optional: true, help: 'Proxy as http://[USER:PASSWORD@]HOST:PORT; default: HTTPS_PROXY of the environment' }),
    },
  ),
};

export type ProcessServerSchema = typeof settings;
