import type { CredentialSource } from '@holdfast/protocol';
import type { Health } from '../health/health.ts';
import type { Log } from '../log/log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Address } from '../settings/kinds.ts';
import type { HardwareIdentity, MemberRole } from './member.ts';
import type { ServerAddresses } from './server-addresses.ts';

/** A program's place in an installation. */
export interface Membership {
  /** 32 hexadecimal digits. */
  readonly id: string;
  readonly role: MemberRole;
  /** Number of this enrolment of the machine. */
  readonly incarnation: number;
  /** Where the configuration server may be. */
  readonly servers: ServerAddresses;
  /**
   * Somebody passed on where the configuration server is (docs/format.md, "Control"): what its authority signed is tried as soon as the address in use
   * does not answer. Gives false for what somebody else signed, or nobody can read.
   */
  heed(whereabouts: Uint8Array): Promise<boolean>;
  readonly hardware: HardwareIdentity;
  /** The newest key and certificate; new connections use them. */
  readonly credentials: CredentialSource;
  /** When the certificate in use ends, milliseconds since 1970. */
  readonly notAfter: number;
  /**
   * Renews the certificate at half of its life with a new key, and tries again with growing waits while the configuration server is away.
   * For `run` of ProgramContext; ends soon after `stopping` aborts. Rejects with INTERRUPTED when `join` gave the machine another identity
   * meanwhile: the program then ends in order, and begins again with that one.
   */
  keepRenewed(stopping: AbortSignal): Promise<void>;
  /** Calls `listener` after each renewal; the returned function ends that. */
  onRenewed(listener: () => void): () => void;
}

export interface MembershipOptions {
  /** The state directory, locked by this process. */
  readonly directory: string;
  readonly role: MemberRole;
  /** Of the machine the program runs on: `readHardwareIdentity`. */
  readonly hardware: HardwareIdentity;
  readonly log: Log;
  readonly health?: Health;
  readonly metrics?: Metrics;
  /** The configuration server's address when it is to be tried first: the setting `configuration-server.address`. */
  readonly server?: Address | undefined;
}
