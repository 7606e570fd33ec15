import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const fileOf = (below: string): string => fileURLToPath(new URL(`../../${below}`, import.meta.url));

/** What the launcher of installed programs tells node: they are measured and tried as they will run. */
export const AS_INSTALLED: readonly string[] = readFileSync(fileOf('deploy/launch.sh'), 'utf8').match(/--[a-z-]+=\S+/g) ?? [];

/** Arguments with which node runs a program of this tree from its sources. */
export const FROM_SOURCE: readonly string[] = ['--conditions=@holdfast/source', '--disable-warning=ExperimentalWarning', ...AS_INSTALLED];

/** The main file of the program that a package holds: `cli`, `mobility-agent`. */
export const mainOf = (room: string): string => fileOf(`packages/${room}/src/main.ts`);
