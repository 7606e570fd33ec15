/** Types of ../../unless.ts, which jest.preset.cjs loads before every spec. */

declare namespace jest {
  interface It {
    /** Like `it`; skipped and counted with `reason` when that is a string. */
    unless(reason: string | undefined, name: string, body: () => unknown, timeout?: number): void;
  }
  interface Describe {
    /** Like `describe`; all of its tests are skipped and counted with `reason` when that is a string. */
    unless(reason: string | undefined, name: string, body: () => void): void;
  }
}

/** The reason to skip on a machine that lacks one of these: 'root', a command on the PATH, or a file by its full path. */
declare function lacks(...things: string[]): string | undefined;
