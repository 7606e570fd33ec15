import { existsSync } from 'node:fs';
import { glob, readFile } from 'node:fs/promises';
import path from 'node:path';
import { findCycles } from './cycles.ts';
import { importsOf } from './imports.ts';
import { type Importer, judgeImport } from './rules.ts';

/** An import that breaks a rule of the house. */
export interface Violation {
  /** Relative to the root of the tree. */
  readonly file: string;
  readonly line: number;
  readonly specifier: string;
  readonly why: string;
}

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

/** A package directory whose files are judged. */
interface Room {
  readonly name: string;
  readonly directory: string;
  readonly files: readonly string[];
  readonly shipped: ReadonlySet<string>;
  readonly testing: ReadonlySet<string>;
}

const readManifest = async (file: string): Promise<Manifest> => JSON.parse(await readFile(file, 'utf8')) as Manifest;

const readRoom = async (root: string, directory: string, sources: string): Promise<Room> => {
  const here = await readManifest(path.join(root, directory, 'package.json'));
  const top = await readManifest(path.join(root, 'package.json'));
  const shipped = [here.dependencies, here.optionalDependencies, here.peerDependencies].flatMap((names) => Object.keys(names ?? {}));
  const testing = [here.devDependencies, top.devDependencies].flatMap((names) => Object.keys(names ?? {}));
  const files: string[] = [];
  for await (const file of glob(sources, { cwd: path.join(root, directory), exclude: (name) => name === 'node_modules' })) {
    if (!file.endsWith('.d.ts')) files.push(path.join(directory, file));
  }
  return {
    name: path.basename(directory),
    directory,
    files: files.sort(),
    shipped: new Set(shipped),
    testing: new Set([...shipped, ...testing]),
  };
};

const readRooms = async (root: string): Promise<Room[]> => {
  const rooms: Room[] = [];
  for await (const manifest of glob('packages/*/package.json', { cwd: root })) {
    rooms.push(await readRoom(root, path.dirname(manifest), 'src/**/*.ts'));
  }
  if (existsSync(path.join(root, 'tools/package.json'))) rooms.push(await readRoom(root, 'tools', '**/*.ts'));
  return rooms.sort((a, b) => a.name.localeCompare(b.name));
};

/** Specs, what they share (`testing/`), and conformance suites: they may use what is only there for development, and nothing that is shipped may use them. */
const isTestCode = (file: string): boolean => /(\.spec\.ts|\/(conformance|testing)(\.ts|\/.*)?)$/.test(file);

const checkRoom = async (root: string, room: Room): Promise<Violation[]> => {
  const violations: Violation[] = [];
  const graph = new Map<string, string[]>();
  for (const file of room.files) {
    const isTool = room.name === 'tools';
    const mayTest = isTool || isTestCode(file);
    const importer: Importer = { room: room.name, declared: mayTest ? room.testing : room.shipped };
    const inside: string[] = [];
    graph.set(file, inside);
    for (const { specifier, line } of await importsOf(await readFile(path.join(root, file), 'utf8'))) {
      const report = (why: string) => violations.push({ file, line, specifier: specifier ?? '(computed)', why });
      if (specifier === undefined) {
        if (!isTool) report('an import whose name is computed cannot be checked');
      } else if (!mayTest && isTestCode(specifier)) {
        report('what is shipped must not import tests');
      } else if (specifier.startsWith('.')) {
        const target = path.join(path.dirname(file), specifier);
        if (target.startsWith(`${room.directory}${path.sep}`)) inside.push(target);
        else report('a relative path must not leave the package');
      } else {
        const why = judgeImport(importer, specifier);
        if (why !== undefined) report(why);
      }
    }
  }
  for (const cycle of findCycles(graph)) {
    const [file = '', next = ''] = cycle;
    violations.push({ file, line: 0, specifier: next, why: `files import each other in a circle: ${cycle.join(' -> ')}` });
  }
  return violations;
};

/** Judges every import in packages/X/src and tools of the tree at `root` by the rules of `rules.ts`. */
export const checkBoundaries = async (root: string): Promise<Violation[]> => {
  const rooms = await readRooms(root);
  return (await Promise.all(rooms.map((room) => checkRoom(root, room)))).flat();
};
