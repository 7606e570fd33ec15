import type { IdentityRole } from '@holdfast/protocol';

/** What may become a member by a token. */
export type MemberRole = Exclude<IdentityRole, 'configuration-server'>;

/** What tells one machine from its clone. Empty text and an empty list mean: not known. */
export interface HardwareIdentity {
  /** SMBIOS product UUID. */
  readonly productUuid: string;
  readonly productSerial: string;
  /** Hardware addresses of physical network interfaces: lower case, sorted. */
  readonly macAddresses: readonly string[];
  /** /etc/machine-id. */
  readonly machineId: string;
}
