import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const fileOf = (below: string): string => fileURLToPath(new URL(`../../${below}`, import.meta.url));

/** What the launcher tells node, by the lines it does so in. */
const LAUNCHES = readFileSync(fileOf('deploy/launch.sh'), 'utf8')
  .split('\n')
  .filter((line) => /\bexec\b/.test(line));

/** What the launcher of a program as it is installed tells node: it is measured and tried as it will run. */
export const flagsAsInstalled = (program: string): readonly string[] => {
  const own = LAUNCHES.find((line) => line.includes(`*/${program})`)) ?? LAUNCHES.at(-1);
  return own?.match(/--[a-z-]+=\S+/g) ?? [];
};

/** Arguments with which node runs a program of this tree from its sources. */
export const fromSource = (program: string): readonly string[] => [
  '--conditions=@holdfast/source',
  '--disable-warning=ExperimentalWarning',
  ...flagsAsInstalled(program),
];

/** The same for what is no program of its own. */
export const FROM_SOURCE = fromSource('holdfast');

/** The main file of the program that a package holds: `cli`, `mobility-agent`; of this tree, or of another one whose root is told. */
export const mainOf = (room: string, root = fileOf('')): string => path.join(root, `packages/${room}/src/main.ts`);
