import { fileURLToPath } from 'node:url';

/** Arguments with which node runs a program of this tree from its sources. */
export const FROM_SOURCE: readonly string[] = ['--conditions=@holdfast/source', '--disable-warning=ExperimentalWarning'];

/** The main file of the program that a package holds: `cli`, `mobility-agent`. */
export const mainOf = (room: string): string => fileURLToPath(new URL(`../../packages/${room}/src/main.ts`, import.meta.url));
