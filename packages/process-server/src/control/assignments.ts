/** A machine whose data this server takes. */
export interface Assignment {
  /** 32 hexadecimal digits. */
  readonly machineId: string;
  readonly machineName: string;
  /** Name of a vault in the settings. */
  readonly vault: string;
  /** The term to take is above this one. */
  readonly seenTerm: number;
  /** Name of the retention its points are kept by; empty when nothing is to be thinned. */
  readonly retention: string;
  /** Milliseconds its small cuts are gathered; 0: as the settings say. */
  readonly sealInterval: number;
  /** Milliseconds of RPO from which on its policy wants an alert; 0: not known. */
  readonly rpoThreshold: number;
}

/** What the configuration server wants of this one; the newest it said is kept on disk. */
export interface Assignments {
  readonly revision: number;
  /** By machine id. */
  readonly machines: ReadonlyMap<string, Assignment>;
  /** Serial numbers (lower-case hexadecimal without leading zeroes) of certificates that count no more. */
  readonly revoked: ReadonlySet<string>;
  /** The configuration server was restored and does not know what it has to: nothing is thinned or deleted. */
  readonly reconciling?: boolean;
}
