import { HoldfastError } from '@holdfast/errors';
import { createApt, type PackageManager } from './apt.ts';
import { MACHINE_TOOLS, type MachineTool, type ToolGroup } from './machine-tools.ts';
import { isPresent } from './presence.ts';

export interface ToolReport {
  /** Debian packages installed by this call. */
  readonly installed: readonly string[];
  readonly seconds: number;
}

export interface EnsureToolsOptions {
  /** Gets one line before anything is installed, one after; nothing when all is there. */
  readonly print: (line: string) => void;
}

/** What the set-up stands on; replaced in tests. */
export interface ToolSetupParts {
  readonly packages: PackageManager;
  readonly isPresent: (proof: string) => boolean;
}

const toolsOf = (groups: readonly ToolGroup[]): MachineTool[] =>
  MACHINE_TOOLS.filter((tool) => tool.groups.some((group) => groups.includes(group)));

const names = (tools: readonly MachineTool[]): string => tools.map(({ apt }) => apt).join(' ');

const missingError = (tools: readonly MachineTool[], why: string, cause?: unknown): HoldfastError =>
  new HoldfastError('TOOL_MISSING', {
    thing: names(tools),
    why,
    remedy: `install by hand (Debian: apt-get install --no-install-recommends ${names(tools)}) and try again`,
    cause,
  });

export const createToolSetup =
  ({ packages, isPresent: present }: ToolSetupParts) =>
  async (groups: readonly ToolGroup[], { print }: EnsureToolsOptions): Promise<ToolReport> => {
    const missing = () => toolsOf(groups).filter(({ proof }) => !present(proof));
    const wanted = missing();
    if (wanted.length === 0) return { installed: [], seconds: 0 };
    const obstacle = packages.unusable();
    if (obstacle !== undefined) throw missingError(wanted, `not on this machine, and ${obstacle}`);

    print(`set-up: installing Debian packages: ${names(wanted)}`);
    const start = performance.now();
    try {
      await packages.install(wanted.map(({ apt }) => apt));
    } catch (reason) {
      throw missingError(wanted, `apt-get failed: ${reason instanceof Error ? reason.message : String(reason)}`, reason);
    }
    const still = missing();
    if (still.length > 0) throw missingError(still, `still no ${still.map(({ proof }) => proof).join(', ')} after installing`);
    const seconds = (performance.now() - start) / 1000;
    print(`set-up: ${wanted.length} Debian package(s) took ${seconds.toFixed(1)} s`);
    return { installed: wanted.map(({ apt }) => apt), seconds };
  };

/**
 * Installs what these groups of `MACHINE_TOOLS` need and this machine lacks. Saying first what it will install is the caller's
 * promise to the user: `print` gets the list before apt runs. `TOOL_MISSING` when it cannot (not root, not Debian, no network).
 */
export const ensureTools = createToolSetup({ packages: createApt(), isPresent });
