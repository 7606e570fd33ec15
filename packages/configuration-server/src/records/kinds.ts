import type { HardwareIdentity, MemberRole } from '@holdfast/daemon';
import { type Manifest, ManifestSchema, PolicySchema, ProtectionSchema } from '@holdfast/protocol';
import type { PasswordRecord } from '../people/password.ts';
import { type Kind, messageKind, plainKind } from './kind.ts';

/** A certificate that was given out. */
export interface CertificateRecord {
  readonly serial: string;
  /** Milliseconds since 1970. */
  readonly notAfter: number;
  /** Serial of the one it replaced, where that had ended. */
  readonly lateFrom?: string;
  /** Fingerprints of the authority that signed it, and of the newest one that its member was told of with it. */
  readonly signer?: string;
  readonly told?: string;
  /** False while its member has not shown it: the answer with it may have been lost. */
  readonly seen?: boolean;
}

/** Who belongs to the installation: what decides whether a certificate counts. */
export interface MemberRecord {
  readonly role: MemberRole;
  readonly hardware: HardwareIdentity;
  /** Number of the newest enrolment. */
  readonly incarnation: number;
  /** Certificates given out that have not ended yet, or so lately that they can still be renewed; the newest last. */
  readonly certificates: readonly CertificateRecord[];
  readonly endpoints: readonly string[];
}

/** A machine that can be protected. */
export interface MachineRecord {
  readonly name: string;
  readonly agentVersion: string;
  /** Milliseconds since 1970 when it was last connected, as of its last disconnection; 0 = never. */
  readonly lastSeen: number;
  readonly protectionId: string;
}

/** A vault as a process server has it in its settings. */
export interface ServedVault {
  /** As the settings call it. */
  readonly name: string;
  readonly id: string;
  readonly location: string;
  /** The same for all who use the vault there. */
  readonly place: string;
}

/** A process server or master target. */
export interface ServerRecord {
  readonly name: string;
  readonly role: MemberRole;
  readonly softwareVersion: string;
  readonly lastSeen: number;
  readonly endpoints: readonly string[];
  /** Names of the vaults of its settings; and of those it knows by what they are, what it told last. */
  readonly vaults: readonly string[];
  readonly served?: readonly ServedVault[];
  /** It gets no machines, and those it has are moved to others. */
  readonly draining?: boolean;
}

/** Gives the id that a name stands for; its id is "machine/web1". */
export interface NameRecord {
  readonly id: string;
}

/** A one-time token. Its id is the beginning of its hash. */
export interface TokenRecord {
  /** SHA-256 of the token, hexadecimal. */
  readonly hash: string;
  readonly role: MemberRole;
  readonly created: number;
  readonly expires: number;
  readonly note: string;
  /** Id of who used it. */
  readonly usedBy?: string;
  /** Somebody tried to use it again; told once. */
  readonly misused?: true;
}

export type PersonRole = 'reader' | 'operator' | 'administrator';

/** A token of a tool, or what a person signed in to. Its id is the beginning of its hash. */
export interface AccessRecord {
  readonly hash: string;
  readonly name: string;
  readonly role: PersonRole;
  readonly created: number;
  /** Milliseconds since 1970; absent where it does not end. */
  readonly expires?: number;
  /** The person it stands for, whose name and role count then. */
  readonly userId?: string;
  readonly createdBy?: string;
}

/** A person who may sign in. */
export interface UserRecord {
  readonly name: string;
  readonly role: PersonRole;
  readonly disabled: boolean;
  readonly created: number;
  /** Milliseconds since 1970; 0 = never. */
  readonly signedIn: number;
  readonly password: PasswordRecord;
}

/** A certificate that counts no more; its id is the serial number. */
export interface RevocationRecord {
  readonly member: string;
  readonly notAfter: number;
}

/** Which process server receives a machine; its id is "SERVER/MACHINE". */
export interface AssignmentRecord {
  /** Id of the vault; its name where that is not known. */
  readonly vault: string;
  readonly machineName: string;
}

/** The head of a machine's log, as far as a process server ever told. */
export interface AnchorRecord {
  readonly term: number;
  readonly durableSequence: number;
  /** Hexadecimal. */
  readonly durableTag: string;
}

/** How many protections follow a policy; its id is the policy's. */
export interface PolicyUseRecord {
  readonly protections: number;
}

/** Where a state came from that is not this server's own past. */
export interface RestoredRecord {
  readonly from: 'backup' | 'vault';
  /** Milliseconds since 1970 of what it was restored from, and when it was. */
  readonly made: number;
  readonly at: number;
  /** When and by whom it was found, or said, to be what shall be; until then members are told nothing new. */
  readonly ended?: number;
  readonly endedBy?: string;
}

/** That the certificate authority is to be replaced since its key may be known: ordered, and not done yet. */
export interface ReplacingRecord {
  /** Fingerprint of the one that is to go. */
  readonly known: string;
  readonly actor: string;
}

/** The installation itself; its only id is "installation". */
export interface SiteRecord {
  /** Id of the configuration server. */
  readonly id: string;
  readonly restored?: RestoredRecord;
  readonly replacing?: ReplacingRecord;
}

export const members: Kind<MemberRecord> = plainKind('member', 1);
export const machines: Kind<MachineRecord> = plainKind('machine', 1);
export const manifests: Kind<Manifest> = messageKind('manifest', 1, ManifestSchema);
export const servers: Kind<ServerRecord> = plainKind('server', 1);
export const names: Kind<NameRecord> = plainKind('name', 1);
export const tokens: Kind<TokenRecord> = plainKind('token', 1);
export const accesses: Kind<AccessRecord> = plainKind('access', 1);
export const users: Kind<UserRecord> = plainKind('user', 1);
export const revocations: Kind<RevocationRecord> = plainKind('revocation', 1);
export const assignments: Kind<AssignmentRecord> = plainKind('assignment', 1);
export const anchors: Kind<AnchorRecord> = plainKind('anchor', 1);
export const sites: Kind<SiteRecord> = plainKind('site', 1);
export const policyUses: Kind<PolicyUseRecord> = plainKind('policy-use', 1);
export const policies = messageKind('policy', 1, PolicySchema);
export const protections = messageKind('protection', 1, ProtectionSchema);

export const SITE = 'installation';
