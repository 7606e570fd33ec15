/** Every code that an alert may have. docs/operations.md tells of each what it is about and from when on; a spec compares both. */
export const ALERT_CODES = [
  'rpo-exceeded',
  'agent-away',
  'server-away',
  'replication-failed',
  'resynchronizing',
  'disk-problem',
  'clock-differs',
  'prerequisites-missing',
  'source-returned',
  'recovered-machine-off',
  'recovery-left-over',
  'proof-failed',
  'proof-too-old',
  'journal-filling',
  'server-busy',
  'server-memory',
  'upload-backlog',
  'vault-unserved',
  'vault-unreachable',
  'vault-key',
  'vault-replaced',
  'vault-in-two-places',
  'restored-unconfirmed',
  'configuration-server',
] as const;

export type AlertCode = (typeof ALERT_CODES)[number];
