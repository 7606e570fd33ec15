/** Looks at one thing: undefined when it is well, else what is wrong in words. A throw is what is wrong as well. */
export type Check = () => string | undefined | Promise<string | undefined>;

export interface CheckOptions {
  /**
   * `ready` (default): the program cannot do its work for now. `live`: it will not recover by itself and should be restarted; systemd's
   * watchdog is fed only while all of these are well.
   */
  readonly tells?: 'ready' | 'live';
}

export interface CheckResult {
  readonly name: string;
  readonly tells: 'ready' | 'live';
  /** What is wrong; absent when all is well. */
  readonly problem?: string;
}

export interface HealthReport {
  readonly live: boolean;
  readonly ready: boolean;
  readonly checks: readonly CheckResult[];
}

/** How the program is, asked by /healthz, systemd's watchdog and a supervisor. */
export interface Health {
  /** Adds a named check; the returned function takes it away. A check that does not answer in 2 s is a problem. */
  check(name: string, look: Check, options?: CheckOptions): () => void;
  report(): Promise<HealthReport>;
}
