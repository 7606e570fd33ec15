/** A program of a bundle. */
export interface BundledProgram {
  /** As it is called on the command line. */
  readonly name: string;
  /** Its main file, relative to the root of the tree. */
  readonly main: string;
}

/** A file beside the programs that they start threads with; its name is that of its source. */
export type BundledThread = BundledProgram;

/** What is installed on one kind of machine. */
export interface Role {
  /** Name of the bundle, of its directory and of its service. */
  readonly name: string;
  readonly programs: readonly BundledProgram[];
  readonly threads: readonly BundledThread[];
  /** Services whose settings and state it has a place for; the first is the one systemd runs. */
  readonly services: readonly string[];
}

const AGENT: BundledProgram = { name: 'holdfast-agent', main: 'packages/mobility-agent/src/main.ts' };
const PROCESS_SERVER: BundledProgram = { name: 'holdfast-process-server', main: 'packages/process-server/src/main.ts' };
const CONFIGURATION_SERVER: BundledProgram = {
  name: 'holdfast-configuration-server',
  main: 'packages/configuration-server/src/main.ts',
};
const CLI: BundledProgram = { name: 'holdfast', main: 'packages/cli/src/main.ts' };

const FRAME_THREAD: BundledThread = { name: 'frame-thread', main: 'packages/vault/src/frame-thread.ts' };
const PACKING_THREAD: BundledThread = { name: 'packing-thread', main: 'packages/mobility-agent/src/frames/packing-thread.ts' };
const IMAGE_THREAD: BundledThread = { name: 'image-thread', main: 'packages/disk-image/src/image-thread.ts' };

/** The bundles. The configuration server brings a process server and the command line: one installation is a whole site. */
export const ROLES: readonly Role[] = [
  { name: 'holdfast-agent', programs: [AGENT], threads: [PACKING_THREAD], services: ['agent'] },
  { name: 'holdfast-process-server', programs: [PROCESS_SERVER, CLI], threads: [FRAME_THREAD, IMAGE_THREAD], services: ['process-server'] },
  {
    name: 'holdfast-configuration-server',
    programs: [CONFIGURATION_SERVER, PROCESS_SERVER, CLI],
    threads: [FRAME_THREAD, IMAGE_THREAD],
    services: ['configuration-server', 'process-server'],
  },
  { name: 'holdfast', programs: [CLI], threads: [FRAME_THREAD, IMAGE_THREAD], services: [] },
];
